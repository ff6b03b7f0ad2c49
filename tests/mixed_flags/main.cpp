float part_plain(float* x, float* y, long n);
float part_wide(float* x, float* y, long n);

int main() {
  float x[4], y[4];
  return part_plain(x, y, 2) + part_wide(x, y, 2) > 1e9F ? 1 : 0;
}
