"""The commands of ``workshop``, one file per part of the data flow."""
