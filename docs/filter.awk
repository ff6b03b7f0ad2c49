# What doxygen reads in place of a header. A comment behind a member documents it. Members that many types have by contract
# get the contract's sentence where they have none of their own.
BEGIN {
  contract["forward"] = "Forward pass of the layer or loss contract: assigns the output."
  contract["backward"] = "Backward pass of the layer contract: gradients of parameters and of the input."
  contract["bind"] = "Declares parameters, state and memory for an input shape; returns the output shape."
  contract["describe"] = "Writes name and constants for summaries, file checks and rebuilding."
  contract["vjp"] = "Vector-Jacobian product of the op: adds to or assigns the gradients of its inputs."
  contract["shape"] = "Shape of the result, from the shapes of the operands."
  contract["check"] = "Throws shape_error or value_error if the operands do not fit."
  contract["samples_are_independent"] = "Whether the output of a sample depends on that sample only."
  contract["operator()"] = "Evaluates the functor; generic over plain numbers, lanes, symbols and duals."
  contract["name"] = "Name in messages, summaries and files."
  contract["slots"] = "Numbers of state that the rule keeps per parameter."
  contract["scalars"] = "Scalars that the rule reads from device memory in each step."
  contract["keeps_features"] = "Whether the output has as many features as the input."
  contract["treats_tags_alike"] = "Whether the rule is the same for all tags of parameters."
  contract["term"] = "Contribution of one element to the value."
  contract["evaluate"] = "Computes the metric or the op from its inputs."
  contract["prepare"] = "Scalars of the rule for one step."
  contract["result"] = "Value of the metric from what was accumulated."
  contract["derivative"] = "Derivative, stated from the argument x."
  contract["derivative_from_output"] = "Derivative, stated from the value y."
}
function flush_held(  i) {
  for (i = 1; i <= held; ++i) print hold[i]
  held = 0
}
# The contract member that the line declares; "" if it declares none.
function declared(line,  n) {
  if (line !~ /[({;=]/ || line ~ /^ *(return|if|for|else|using|throw|case)\>/ || line ~ /^ *#/) return ""
  for (n in contract) {
    if (n == "operator()") { if (index(line, "operator()(")) return n }
    else if (line ~ ("(^|[ *&])" n "(\\(| = |;)") && line !~ ("(=|return|\\(|,|\\.|->) *" n)) return n
  }
  return ""
}
/^(class|struct|union|enum)[ {].*[^;]$/ { record = 1; enumeration = /^enum/ }
/^template <.*>$/ { record = 0 }
/^};/ { record = 0 }
{
  match($0, /^ */)
  member = record && RLENGTH == 2 && $0 !~ /^ *(\/\/|#)/
  own = 0
  if (member && $0 ~ (enumeration ? "[,A-Za-z0-9_]  // " : "[;}]  // ") && $0 !~ /NOLINT/) {
    sub(/  \/\/ /, "  ///< ")
    own = 1
  }
  if ($0 ~ /^ *(template <|requires )/) { hold[++held] = $0; next }
  if (held && $0 !~ /^ *\/\// && !started(hold[held])) { hold[++held] = $0; next }
  n = member && !own && !commented ? declared($0) : ""
  if (n != "") print "  /// " contract[n]
  flush_held()
  print
  commented = $0 ~ /^ *\/\/\//
}
# Whether the held head of a template is complete.
function started(line) { return line ~ />$/ || line ~ /^ *requires .*[^,(&|]$/ }
