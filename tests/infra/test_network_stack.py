"""Who may speak to whom."""

from tests.infra.templates import Deployment, Json


def rules(deployment: Deployment, direction: str) -> list[Json]:
    """Every rule in one direction, within groups and beside them."""
    network = deployment.stack("network")
    inside = [rule for group in network.all("AWS::EC2::SecurityGroup") for rule in group.get(f"SecurityGroup{direction}", [])]
    return inside + network.all(f"AWS::EC2::SecurityGroup{direction}")


def ports(rules: list[Json]) -> set[tuple[int, int]]:
    """From and to."""
    return {(rule["FromPort"], rule["ToPort"]) for rule in rules}


def test_only_https_comes_in_from_everywhere_and_only_to_the_load_balancer(either: Deployment) -> None:
    from_everywhere = [rule for rule in rules(either, "Ingress") if "CidrIp" in rule or "CidrIpv6" in rule]
    assert ports(from_everywhere) == {(443, 443)}
    groups = either.stack("network").resources("AWS::EC2::SecurityGroup")
    open_groups = [id for id, group in groups.items() if group["Properties"].get("SecurityGroupIngress")]
    assert [id[:4] for id in open_groups] == ["Door"]


def test_tasks_are_reached_by_the_load_balancer_and_the_cache_by_tasks(either: Deployment) -> None:
    from_groups = [rule for rule in rules(either, "Ingress") if "SourceSecurityGroupId" in rule]
    assert ports(from_groups) == {(8000, 8000), (6379, 6379)}


def test_nothing_goes_out_to_everywhere_but_https(either: Deployment) -> None:
    to_everywhere = [rule for rule in rules(either, "Egress") if rule.get("CidrIp") == "0.0.0.0/0"]
    assert ports(to_everywhere) == {(443, 443)}
    assert all(rule["IpProtocol"] == "tcp" for rule in to_everywhere)


def test_records_and_recordings_take_the_endpoints_that_cost_nothing(either: Deployment) -> None:
    endpoints = either.stack("network").all("AWS::EC2::VPCEndpoint")
    assert [endpoint["VpcEndpointType"] for endpoint in endpoints] == ["Gateway", "Gateway"]
    assert sorted(str(endpoint["ServiceName"]).rpartition(".")[2].strip("]}' ") for endpoint in endpoints) == ["dynamodb", "s3"]


def test_there_are_two_subnets_in_each_zone(least: Deployment, most: Deployment) -> None:
    for deployment, zones in ((least, 2), (most, 3)):
        subnets = deployment.stack("network").all("AWS::EC2::Subnet")
        assert len(subnets) == 2 * zones
        assert len({subnet["AvailabilityZone"] for subnet in subnets}) == zones


def test_the_cache_is_valkey_and_its_bill_has_a_ceiling(least: Deployment, most: Deployment) -> None:
    for deployment, gigabytes, units in ((least, 1, 5000), (most, 5, 50_000)):
        cache = deployment.stack("bus").one("AWS::ElastiCache::ServerlessCache")
        assert cache["Engine"] == "valkey"
        assert 2 <= len(cache["SubnetIds"]) <= 3
        assert cache["CacheUsageLimits"]["DataStorage"] == {"Maximum": gigabytes, "Unit": "GB"}
        assert cache["CacheUsageLimits"]["ECPUPerSecond"] == {"Maximum": units}
