"""jobsd takes deployments from AWS IoT Jobs and from the deployment shadow, and reports their states back.

Bus interface ``gg_jobs``.
"""
