-- The server looks whether it has the memory only before the first write of a script.
local problem = write(ARGV[5], ARGV[4])
forget()
return problem or 1
