forget()
write(ARGV[5], ARGV[4])
return 1
