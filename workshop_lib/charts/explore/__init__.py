"""What a learner looks at without Kibana: Discover, Visualize and Dashboard in a notebook.

Lowest first: ``time_range`` and ``search`` (what is asked for, as data), ``chart`` (what is
drawn, as data), ``ask`` (both to Elasticsearch, answers as tables), ``draw`` (tables as
pictures), ``saved``; on top the widgets ``discover``, ``visualize`` and ``dashboard``, which
only hold the others together. Words are Kibana's. ``answers`` has the story's questions.
"""
