forget()
return remove()
