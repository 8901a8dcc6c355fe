"""What a learner looks at: the questions of the story, answered by Elasticsearch."""
