"""OpenAI's completions API, as far as deployments of text models speak it."""
