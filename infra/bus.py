"""The bus: Valkey without servers, over which bridge tasks tell each other of live calls. It keeps nothing."""

from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_elasticache as elasticache
from constructs import Construct

from infra.network import INNER, Network
from infra.settings import Settings


class Bus(Stack):
    """The cache; :attr:`url` is for ``FRONTDESK_BUS``."""

    def __init__(self, scope: Construct, id: str, settings: Settings, network: Network, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        limits = elasticache.CfnServerlessCache
        cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine="valkey",
            major_engine_version="8",
            serverless_cache_name=f"{settings.name}-bus",
            description="Live events and commands between bridge tasks",
            # Three at most, which is what it takes by itself where none are named.
            subnet_ids=network.vpc.select_subnets(subnet_group_name=INNER).subnet_ids[:3],
            security_group_ids=[network.bus.security_group_id],
            snapshot_retention_limit=0,
            cache_usage_limits=limits.CacheUsageLimitsProperty(
                data_storage=limits.DataStorageProperty(unit="GB", maximum=settings.bus_most_gb),
                ecpu_per_second=limits.ECPUPerSecondProperty(maximum=settings.bus_most_ecpu_per_s),
            ),
        )
        # It speaks TLS only (Amazon ElastiCache, *Data security*). Who may connect is said by the security group.
        self.url = Fn.join("", ["rediss://", cache.attr_endpoint_address, ":", cache.attr_endpoint_port])
