# What doxygen reads in place of a header:  awk -f docs/filter.awk HEADER
#
# A comment behind a member documents it; the opening sentence of a file documents the type that the
# sentence names. Members that many types have by contract, and operators, get the sentence of
# docs/contracts.txt where they have no comment of their own; constructors need one.
BEGIN {
  while ((getline line < "docs/contracts.txt") > 0)
    if (split(line, parts, ": ") > 1 && line !~ /^#/) contract[parts[1]] = substr(line, length(parts[1]) + 3)
  folder = ARGV[1]
  sub(/\/[^\/]*$/, "", folder)
  sub(/.*\//, "", folder)
}

# The name that the line declares; "" if it declares none.
function declared(line) {
  gsub(/\[\[[^\]]*\]\]/, "", line)
  sub(/ *\/\/.*/, "", line)
  if (line ~ /^ *(return|if|for|else|throw|case|static_assert|public|private|protected|using namespace)/) return ""
  if (match(line, /operator(\(\)|[^(]*)/)) return substr(line, RSTART, RLENGTH)
  while (gsub(/<[^<>]*>/, "", line)) continue
  sub(/^ *requires\(([^()]|\([^()]*\))*\) /, "", line)
  if (!match(line, /( =|;|\(|\{|,)/)) return ""
  line = substr(line, 1, RSTART - 1)
  return match(line, /[A-Za-z_0-9]+$/) ? substr(line, RSTART, RLENGTH) : ""
}

# The contract of a special member or an operator; "" for a constructor that needs a sentence of its own.
function special(line, name) {
  if (line ~ / = delete;/) return line ~ /\(const [a-z_0-9]+&\)/ ? "(deleted)" : ""
  if (line ~ ("~" type "\\(")) return "(destroyed)"
  if (name == type || name == "operator=") {
    if (line ~ ("\\(" type "&&")) return "(moved)"
    return line ~ /^ *(constexpr )?[a-z_0-9]+\(\) = default;/ ? "(empty)" : ""
  }
  # Of one operand: its parameters have no comma.
  return name == "operator-" && line ~ /\([^,()]*[^,() ]\) / && line !~ /,/ ? "(negated)" : name
}

# The sentence for a line without a comment; "" if there is none.
function sentence(line,  name) {
  if (match(line, /deprecated\("[^"]*"/)) return "Deprecated: `" substr(line, RSTART + 12, RLENGTH - 13) "`."
  if (line ~ /^(requires\(.*\) )?[a-z_0-9]+\(.*\)( ?->|$)/) return "Deduces the template arguments from those of the constructor."
  if (line ~ /^#define .*_HPP$/) return ""
  if (line ~ /^#define /) return "Macro of the library's own headers, not for programs."
  sub(/^requires\(.*\) struct /, "struct ", line)
  if (match(line, /^(class|struct) [a-z_0-9]+/)) {
    name = substr(line, RSTART, RLENGTH)
    sub(/.* /, "", name)
    if (name == of_file) return opening
    if (line ~ ("^(class|struct) " name "<")) return "Specialization for these arguments."
    if (name ~ /_options$/) return "Options of `" substr(name, 1, length(name) - 8) "`."
    return ""
  }
  name = declared(line)
  if (name == "") return ""
  if (name == type || name ~ /^operator[^(]/) return contract[special(line, name)]
  return (folder "/" name) in contract ? contract[folder "/" name] : contract[name]
}

# Whether the held head of a template is complete.
function complete(line) { return line ~ />$/ || line ~ /^ *requires[ (].*[^,(&|]$/ }

/^\/\/\/ \\file/ { in_file_comment = 1 }
in_file_comment && match($0, /^\/\/\/ `[a-z_0-9]+(<[A-Za-z, ]+>)?`: /) {
  of_file = substr($0, 6, RLENGTH - 8)
  sub(/<.*/, "", of_file)
  opening = toupper(substr($0, RLENGTH + 1, 1)) substr($0, RLENGTH + 2)
  continues = 1
  print
  next
}
continues {
  if ($0 ~ /^\/\/\/ *$/) continues = 0
  else if (/^\/\/\//) opening = opening " " substr($0, 5)
}
!/^\/\/\// { in_file_comment = continues = 0 }

/^(class|struct|union|enum)[ {].*[^;]$/ {
  enumeration = /^enum/
  type = $0
  sub(/^(enum )?(class|struct|union) /, "", type)
  sub(/[^a-z_0-9].*/, "", type)
}
{
  match($0, /^ */)
  code = $0 !~ /^ *\/\// && $0 != ""
  member = code && record && RLENGTH == 2
  outside = code && !record && RLENGTH == 0
  own = 0
  if (member && $0 ~ (enumeration ? "[,A-Za-z0-9_]  +// " : "[;}]  +// ") && $0 !~ /NOLINT/) {
    sub(/  \/\/ /, "  ///< ")
    own = 1
  }
  if (member && / \/\/\/< /) own = 1
  if ($0 ~ /^(class|struct|union|enum)[ {].*[^;]$/) record = $0 !~ /};$/
  if ($0 ~ /^};/) record = 0
  if ($0 ~ /^ *(template <|requires[ (])/ && $0 !~ /^ *requires\(.*\) [a-z]/) { hold[++held] = $0; next }
  if (held && code && !complete(hold[held])) { hold[++held] = $0; next }
  text = (member || outside) && !own && !commented && !enumeration ? sentence($0) : ""
  if (text != "") print (member ? "  " : "") "/// " text
  for (i = 1; i <= held; ++i) print hold[i]
  held = 0
  if ($0 ~ /^ *\/\/\//) comment = commented ? comment "\n" $0 : $0
  # Each of several members in one declaration gets the comment.
  if (code && $0 ~ /^ +[A-Za-z_0-9:<>]+ [a-z_]+(, [a-z_]+)+;/) {
    end = index($0, ";")
    behind = substr($0, end + 1)
    split(substr($0, 1, end - 1), names, ", ")
    match(names[1], /^ +[A-Za-z_0-9:<>]+ /)
    kind = substr(names[1], 1, RLENGTH)
    names[1] = substr(names[1], RLENGTH + 1)
    for (i = 1; i in names; ++i) {
      if (i > 1 && commented) print comment
      print kind names[i] ";" behind
      delete names[i]
    }
  } else print
  commented = $0 ~ /^ *\/\/\//
}
