"""What a Spark that is started by hand takes from the environment of whoever starts it.

In: what its jobs are like. Out: ``SPARK_SUBMIT_OPTS`` and ``SPARK_DIST_CLASSPATH``, which Spark's
start scripts read, in ``os.environ``: for Spark's own builder in a notebook, and ``spark-submit``.
What such a session is configured with counts more.
"""

from __future__ import annotations

import os
from typing import Final

from workshop_lib.runtime import artifacts, class_archive, java

#: Where checkpoints are. Hadoop's own class, which is the default, starts a program, chmod, for
#: each file and folder.
FILES: Final = "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"
HADOOP_FILES: Final = "org.apache.hadoop.fs.LocalFileSystem"
#: How checkpoints are written. The default starts another, readlink, eight times for each file.
CHECKPOINT_FILES: Final = (
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
)


def offer(short: bool, local: bool = True) -> None:
    """Let it start with the class archive, if that fits, and write checkpoints without programs.

    Where the archive does not fit, as with other jars on the class path, nothing is said.
    ``short``: for jobs of seconds, without Java's second compiler. ``local``: all of it is in one
    JVM; executors of a cluster would look for our class before they have its jar.
    """
    spark = {"spark.sql.streaming.checkpointFileManagerClass": CHECKPOINT_FILES}
    jar = artifacts.local_files()
    if local and jar.exists():
        spark["spark.hadoop.fs.file.impl"] = FILES
        os.environ["SPARK_DIST_CLASSPATH"] = str(jar)
    found = [
        *(java.FIRST_COMPILER if short else ()),
        *(f"-D{name}={value}" for name, value in spark.items()),
        class_archive.options(class_archive.SILENT),
    ]
    os.environ["SPARK_SUBMIT_OPTS"] = " ".join(filter(None, found))
