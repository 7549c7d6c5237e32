"""The plan of a soak that never ran."""

from rig.soak import Plan

PLAN = Plan(
    bench="virtual",
    bench_sha256="b" * 64,
    tender="a" * 64,
    unikernel="c" * 64,
    line="led",
    cycles=2000,
    chunk_cycles=100,
    on_ns=300_000_000,
    off_ns=400_000_000,
)
