#!/usr/bin/env python3
"""Networks for images, trained by chainrule, PyTorch, dlib and the primitives of oneDNN in turns.

    python3 benchmarks/images/run.py [--build build] [--python PYTHON] [--nets L6,L32] [--json FILE]

--python names an interpreter that has PyTorch (and onnx, onnxruntime for one image at a time); without
it chainrule runs beside oneDNN and dlib, where those were found. Contenders take turns, round after round;
medians of the rounds are printed, and the median of the ratios of each round's times. "infer": one
image forward, in microseconds; all others are milliseconds a step of training.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))


class Contender:
    def __init__(self, command, net, threads):
        # PyTorch allocates its large buffers anew in each step: without these glibc returns them to
        # the system each time, which takes it up to 1.3 times as long.
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), MALLOC_TRIM_THRESHOLD_="2000000000",
                   MALLOC_MMAP_THRESHOLD_="2000000000", OMP_WAIT_POLICY="passive")
        self.process = subprocess.Popen(command + ["--net", net, "--threads", str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=env)
        self.version = self.process.stdout.readline().strip().removeprefix("ready ")
        if not self.version:
            sys.exit(f"{command} did not start")
        self.times = []

    def turn(self, what, count):
        self.process.stdin.write(f"{what} {count}\n")
        self.process.stdin.flush()
        self.times.append(float(self.process.stdout.readline()))

    def end(self):
        self.process.stdin.close()
        self.memory = float(self.process.stdout.readline().split()[1])
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="")
    parser.add_argument("--nets", default="L6,L32,DD0,DD,V,R20")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--json", default="")
    o = parser.parse_args()
    ours = [f"{o.build}/benchmarks/images/chainrule"]
    commands = {"chainrule": ours}
    if os.path.exists(f"{o.build}/benchmarks/images/onednn"):
        commands["oneDNN"] = [f"{o.build}/benchmarks/images/onednn"]
    if os.path.exists(f"{o.build}/benchmarks/images/dlib"):
        commands["dlib"] = [f"{o.build}/benchmarks/images/dlib"]
    if o.python:
        commands["torch"] = [o.python, f"{here}/torch_steps.py"]
    rows = []
    print(f"{'net':10} {'threads':7} {'contender':40} {'time':>10} {'MB':>7} {'ratio':>6}")

    def race(name, net, threads, contenders, what, count):
        """Turns of all contenders; the first is what the others are compared with."""
        running = [Contender(c, net, threads) for c in contenders]
        for _ in range(o.rounds):
            for c in running:
                c.turn(what, count)
        for c in running:
            c.end()
            ratio = statistics.median(t / u for t, u in zip(c.times, running[0].times))
            rows.append({"net": name, "threads": threads, "contender": c.version,
                         "median": statistics.median(c.times), "megabytes": c.memory,
                         "over_chainrule": ratio, "times": c.times})
            print(f"{name:10} {threads:7} {c.version[:40]:40} {rows[-1]['median']:10.3f} "
                  f"{c.memory:7.0f} {ratio:6.2f}", flush=True)

    for net in o.nets.split(","):
        for threads in map(int, o.threads.split(",")):
            # oneDNN has nothing in place of dropout, dlib no residual blocks of such shapes.
            chosen = [c for k, c in commands.items()
                      if not (k == "oneDNN" and net == "DD")
                      and not (k == "dlib" and net not in ("L6", "L32", "DD0"))]
            race(net, net, threads, chosen, "steps", o.steps)
    if o.python and subprocess.run([o.python, "-c", "import onnx, onnxruntime"],
                                   stderr=subprocess.DEVNULL, check=False).returncode == 0:
        for net in ("L6", "L32"):
            race(f"infer {net}", net, 1, [ours, [o.python, f"{here}/onnx_infer.py"]], "infer", 5000)
    if o.json:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                    if line.startswith("model name")), platform.processor())
        with open(o.json, "w", encoding="utf-8") as file:
            json.dump({"machine": cpu, "processors": os.cpu_count(), "rounds": o.rounds,
                       "flags": "-O2", "results": rows}, file, indent=1)
            file.write("\n")


main()
