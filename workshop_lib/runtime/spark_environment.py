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


def file_options(local: bool) -> dict[str, str]:
    """How Spark writes files, as Spark's own option names.

    ``local``: all of it is in one JVM that has our jar. An executor of a cluster needs files
    before it has the jar.
    """
    return {
        "spark.sql.streaming.checkpointFileManagerClass": CHECKPOINT_FILES,
        "spark.hadoop.fs.file.impl": FILES if local else HADOOP_FILES,
    }


def offer(short: bool, local: bool = True) -> None:
    """Let it start with the class archive, if that fits, and write checkpoints without programs.

    Where the archive does not fit, as with other jars on the class path, nothing is said.
    ``short``: for jobs of seconds, without Java's second compiler. ``local``: see
    ``file_options``.
    """
    jar = artifacts.local_files()
    ours = local and jar.exists()
    if ours:
        os.environ["SPARK_DIST_CLASSPATH"] = str(jar)
    found = [
        *(java.FIRST_COMPILER if short else ()),
        *(f"-D{name}={value}" for name, value in file_options(ours).items()),
        class_archive.options(class_archive.SILENT),
    ]
    os.environ["SPARK_SUBMIT_OPTS"] = " ".join(filter(None, found))
