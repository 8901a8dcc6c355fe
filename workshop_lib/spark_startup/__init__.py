"""Spark starts faster: processes that prepare its JVM and its Python workers."""
