local _, generation = known()
if generation ~= ARGV[4] then return 0 end
return forget()
