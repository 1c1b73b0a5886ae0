"""Times pyarrow's to_pylist on a file, for comparison with `ParquetSpeedTests`.

    python3 tests/oracle/time_parquet.py FILE

One thread, seven times; prints the median and the best, in seconds of processor time.
"""

import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

pa.set_cpu_count(1)
pa.set_io_thread_count(1)
times = []
for _ in range(7):
    start = time.process_time()
    rows = pq.read_table(sys.argv[1], use_threads=False).to_pylist()
    times.append(time.process_time() - start)
print(f"pyarrow {pa.__version__}: {len(rows)} rows, median {sorted(times)[3]:.3f} s, best {min(times):.3f} s")
