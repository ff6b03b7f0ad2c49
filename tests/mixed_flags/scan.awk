# The functions of a disassembly (objdump -d -C) that have AVX-512 instructions: vectors of 64
# bytes, masks, or registers beyond the 16 that AVX has.
/^[0-9a-f]+ <.*>:$/ {
  name = $0
  sub(/^[0-9a-f]+ </, "", name)
  sub(/>:$/, "", name)
  next
}
/%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])/ {
  if (!(name in found)) print name
  found[name] = 1
}
