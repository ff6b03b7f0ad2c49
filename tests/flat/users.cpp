// Functions of a user, whose sections cold.cmake looks at.
#include <vector>

#include "chainrule/chainrule.hpp"

using namespace chainrule;

struct machine {
  virtual bool read(float* x) = 0;
  virtual void act(float y) = 0;
};

[[gnu::cold]] void set_up(machine& m);

// As a control: what always calls a cold function is cold.
void user_calls_cold(machine& m) {
  set_up(m);
  m.act(1);
}

void user_runs_a_pass(const network<cpu>& net, machine& m) {
  pass<cpu> memory = net.make_pass(1);
  float x[8];
  while (m.read(x)) m.act(net.forward(matrix_view<const float>(x, 1, 8), memory)(0, 0));
}
void user_makes_a_network(machine& m) {
  network net{cpu{1}, dense{8, 4, relu{}}, dense{1}};
  net.initialize(1);
  float x[8];
  while (m.read(x)) m.act(net.predict(matrix_view<const float>(x, 1, 8)).view()(0, 0));
}
void user_makes_any_network(const std::vector<any_layer<cpu>>& layers, machine& m) {
  const network<cpu> net{cpu{1}, layers};
  float x[8];
  while (m.read(x)) m.act(net.predict(matrix_view<const float>(x, 1, 8)).view()(0, 0));
}
void user_trains(network<cpu>& net, const dataset<cpu>& data, machine& m) {
  trainer t{net, mean_squared_error{}, momentum{.rate = 0.05}};
  t.fit(data, {.epochs = 2});
  m.act(static_cast<float>(t.evaluate(data).loss));
}
