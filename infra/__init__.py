"""AWS: what Frontdesk runs on there, described with the CDK. Nothing here is imported by the product."""
