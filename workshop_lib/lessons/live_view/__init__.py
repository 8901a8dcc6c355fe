"""A live picture of the learner's own stream, and one of a consumer group.

In: a running query or a group, and Settings. Out: a widget for JupyterLab; where nothing can show
one, its last frame as a picture. What is drawn is what Spark and Kafka report, and the records
themselves; nothing is simulated.
"""

from workshop_lib.lessons.live_view.groups import view_group
from workshop_lib.lessons.live_view.widget import view

__all__ = ["view", "view_group"]
