# A job that needs more memory than its first attempt asks for, with the workflow's rule for attempts.


rule all:
    input:
        "memory.txt",


rule take_memory:
    output:
        "memory.txt",
    log:
        "memory.log",
    threads: 1
    resources:
        # two Snakemakes of some 200 MB belong to every job
        mem_mb=lambda wildcards, attempt: 700 * attempt,
        runtime="5m",
    shell:
        r"""
        exec &> >(tee {log:q})
        python -c 'import time; held = bytearray(b"x" * 600_000_000); time.sleep(8); print(len(held))' > {output:q}
        """
