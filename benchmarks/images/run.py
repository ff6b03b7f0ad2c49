#!/usr/bin/env python3
"""Networks for images, trained by chainrule and by PyTorch in turns: milliseconds a step.

    python3 benchmarks/images/run.py [--build build] [--python PYTHON] [--nets L6,L32] [--json FILE]

--python names an interpreter that has PyTorch; without it only chainrule runs. Contenders take turns,
round after round, and medians of the rounds are printed, with the ratio of each round's times.
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

    def turn(self, steps):
        self.process.stdin.write(f"steps {steps}\n")
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
    commands = {"chainrule": [f"{o.build}/benchmarks/images/chainrule"]}
    if o.python:
        commands["torch"] = [o.python, f"{here}/torch_steps.py"]
    rows = []
    print(f"{'net':5} {'threads':7} {'contender':40} {'ms a step':>10} {'MB':>7} {'ratio':>6}")
    for net in o.nets.split(","):
        for threads in map(int, o.threads.split(",")):
            all_of = {name: Contender(c, net, threads) for name, c in commands.items()}
            for _ in range(o.rounds):
                for c in all_of.values():
                    c.turn(o.steps)
            ours = all_of["chainrule"].times
            for name, c in all_of.items():
                c.end()
                ratio = statistics.median(t / u for t, u in zip(c.times, ours))
                rows.append({"net": net, "threads": threads, "contender": c.version,
                             "ms": statistics.median(c.times), "megabytes": c.memory,
                             "over_chainrule": ratio, "times": c.times})
                print(f"{net:5} {threads:7} {c.version[:40]:40} {rows[-1]['ms']:10.3f} "
                      f"{c.memory:7.0f} {ratio:6.2f}", flush=True)
    if o.json:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                    if line.startswith("model name")), platform.processor())
        with open(o.json, "w", encoding="utf-8") as file:
            json.dump({"machine": cpu, "processors": os.cpu_count(), "rounds": o.rounds,
                       "flags": "-O2", "results": rows}, file, indent=1)
            file.write("\n")


main()
