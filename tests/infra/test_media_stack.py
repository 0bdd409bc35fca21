"""What lets calls end: no checker of templates knows these numbers, and each of them is a limit of AWS or of a call."""

from typing import Any

import pytest

from calls.business import Limits
from frontdesk.settings import read_settings
from infra import figures
from infra.settings import LONGEST_CALL_MIN
from tests.infra.templates import Deployment, Json, attributes

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
LONGEST_DEFAULT_CALL_MIN = 60


def container(deployment: Deployment) -> Json:
    """The definition of the only container."""
    (only,) = deployment.stack("media").one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return dict(only)


def environment(deployment: Deployment) -> dict[str, Any]:
    """What the container finds in its environment, secrets aside."""
    return {pair["Name"]: pair["Value"] for pair in container(deployment)["Environment"]}


def test_a_connection_may_be_silent_for_as_long_as_a_load_balancer_allows(either: Deployment) -> None:
    balancer = either.stack("media").one(LOAD_BALANCER)
    assert attributes(balancer["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"] == "4000"


def test_a_client_may_stay_connected_for_longer_than_the_longest_call(least: Deployment, most: Deployment) -> None:
    for deployment, minutes in ((least, 65), (most, 245)):
        balancer = deployment.stack("media").one(LOAD_BALANCER)
        assert attributes(balancer["LoadBalancerAttributes"])["client_keep_alive.seconds"] == str(minutes * 60)


def test_a_task_that_is_to_go_keeps_its_streams_for_an_hour(either: Deployment) -> None:
    groups = either.stack("media").all(TARGET_GROUP)
    delays = [attributes(group["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"] for group in groups]
    assert delays == ["3600", "3600"]


def test_new_calls_go_where_there_are_the_fewest(either: Deployment) -> None:
    for group in either.stack("media").all(TARGET_GROUP):
        assert attributes(group["TargetGroupAttributes"])["load_balancing.algorithm.type"] == "least_outstanding_requests"


def test_health_is_asked_of_healthz_everywhere_and_of_readyz_nowhere(either: Deployment) -> None:
    media = either.stack("media")
    assert [group["HealthCheckPath"] for group in media.all(TARGET_GROUP)] == ["/healthz", "/healthz"]
    assert "readyz" not in media.text
    assert container(either)["HealthCheck"]["Command"] == ["CMD", "python", "-I", "/srv/frontdesk/healthcheck.py"]


def test_a_health_check_may_take_less_time_than_lies_between_two(either: Deployment) -> None:
    for group in either.stack("media").all(TARGET_GROUP):
        assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    check = container(either)["HealthCheck"]
    assert check["Timeout"] < check["Interval"]


def test_a_task_that_starts_is_given_the_same_time_by_whoever_asks_after_its_health(either: Deployment) -> None:
    service = either.stack("media").one("AWS::ECS::Service")
    assert service["HealthCheckGracePeriodSeconds"] == container(either)["HealthCheck"]["StartPeriod"] == 60


def test_a_task_is_unhealthy_only_after_a_minute(either: Deployment) -> None:
    for group in either.stack("media").all(TARGET_GROUP):
        assert group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"] >= 60


def test_a_stopped_task_has_all_the_time_fargate_gives_and_hands_its_calls_over_before_it_is_over(either: Deployment) -> None:
    stop_timeout_s = container(either)["StopTimeout"]
    drain_s = int(environment(either)["FRONTDESK_DRAIN_S"])
    assert stop_timeout_s == 120
    assert drain_s == 110
    assert stop_timeout_s - drain_s >= 10, "no time is left to hand calls over"


def test_old_tasks_outlive_a_deployment_by_more_than_the_longest_call(least: Deployment, most: Deployment) -> None:
    strategies = [deployment.stack("media").one("AWS::ECS::Service")["DeploymentConfiguration"] for deployment in (least, most)]
    assert [strategy["Strategy"] for strategy in strategies] == ["BLUE_GREEN", "BLUE_GREEN"]
    assert [strategy["BakeTimeInMinutes"] for strategy in strategies] == [65, 245]
    assert strategies[0]["BakeTimeInMinutes"] > LONGEST_DEFAULT_CALL_MIN > Limits().max_call_s / 60
    assert LONGEST_CALL_MIN * 60 == 14_400, "no longer than a business file allows, and no shorter"
    assert all(strategy["BakeTimeInMinutes"] <= 24 * 60 for strategy in strategies)


def test_no_task_is_stopped_before_another_has_taken_its_place(either: Deployment) -> None:
    service = either.stack("media").one("AWS::ECS::Service")
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 200
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"


def test_alarms_roll_a_deployment_back_and_exist(either: Deployment) -> None:
    media = either.stack("media")
    alarms = media.one("AWS::ECS::Service")["DeploymentConfiguration"]["Alarms"]
    assert (alarms["Enable"], alarms["Rollback"]) == (True, True)
    named = {next(iter(name.values())) if isinstance(name, dict) else name for name in alarms["AlarmNames"]}
    assert len(named) == 3
    assert named <= media.resources("AWS::CloudWatch::Alarm").keys() | {
        alarm["AlarmName"] for alarm in media.all("AWS::CloudWatch::Alarm")
    }


def test_service_target_groups_and_container_mean_the_same_port_and_name(either: Deployment) -> None:
    media = either.stack("media")
    only = container(either)
    (balanced,) = media.one("AWS::ECS::Service")["LoadBalancers"]
    assert balanced["ContainerName"] == only["Name"] == figures.CONTAINER
    assert [mapping["ContainerPort"] for mapping in only["PortMappings"]] == [balanced["ContainerPort"]] == [8000]
    assert environment(either)["PORT"] == "8000"
    groups = media.all(TARGET_GROUP)
    assert [(group["Port"], group["Protocol"], group["TargetType"]) for group in groups] == [(8000, "HTTP", "ip")] * 2


def test_blue_is_behind_the_rule_and_green_beside_it(either: Deployment) -> None:
    media = either.stack("media")
    (balanced,) = media.one("AWS::ECS::Service")["LoadBalancers"]
    (rule,) = media.resources("AWS::ElasticLoadBalancingV2::ListenerRule")
    blue, green = media.resources(TARGET_GROUP)
    assert balanced["TargetGroupArn"] == {"Ref": blue}
    assert balanced["AdvancedConfiguration"]["AlternateTargetGroupArn"] == {"Ref": green}
    assert balanced["AdvancedConfiguration"]["ProductionListenerRule"] == {"Ref": rule}


def test_the_rule_whose_weights_ecs_moves_is_the_one_that_was_deployed(either: Deployment) -> None:
    """Whoever changes it: CloudFormation then sets the weights back to blue, and while tasks are green all streams are refused.
    ``docs/how-to/deploy-to-aws.md`` says what to do."""
    media = either.stack("media")
    blue, green = media.resources(TARGET_GROUP)
    (listener,) = media.resources("AWS::ElasticLoadBalancingV2::Listener")
    assert media.one("AWS::ElasticLoadBalancingV2::ListenerRule") == {
        "Actions": [
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": {"Ref": blue}, "Weight": 100},
                        {"TargetGroupArn": {"Ref": green}, "Weight": 0},
                    ]
                },
            }
        ],
        "Conditions": [
            {
                "Field": "path-pattern",
                "PathPatternConfig": {"Values": ["/media-stream", "/media-stream/*", "/operator", "/calls", "/calls/*"]},
            }
        ],
        "ListenerArn": {"Ref": listener},
        "Priority": 10,
        "Tags": [{"Key": "service", "Value": either.name}],
    }
    assert (blue, green, listener) == ("Blue10BB7880", "Green9DCBBC03", "BalancerHttpsAFC43DBF"), "a new one would change it, too"


def test_the_door_leads_to_streams_and_operators_and_to_nothing_else(either: Deployment) -> None:
    media = either.stack("media")
    rule = media.one("AWS::ElasticLoadBalancingV2::ListenerRule")
    (condition,) = rule["Conditions"]
    patterns = condition["PathPatternConfig"]["Values"]
    assert set(patterns) == {"/media-stream", "/media-stream/*", "/operator", "/calls", "/calls/*"}
    assert len(patterns) <= 5, "a rule has five values at most"
    listener = media.one("AWS::ElasticLoadBalancingV2::Listener")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
    assert "TLS13" in listener["SslPolicy"]


def test_a_task_is_read_only_and_nobody_and_writes_to_one_place(either: Deployment) -> None:
    only = container(either)
    assert only["ReadonlyRootFilesystem"] is True
    assert only["User"] == "10001"
    assert [(mount["ContainerPath"], mount["ReadOnly"]) for mount in only["MountPoints"]] == [("/srv/data", False)]
    assert "Privileged" not in only


def test_the_bridge_is_not_process_number_one_of_its_container(either: Deployment) -> None:
    assert container(either)["LinuxParameters"]["InitProcessEnabled"] is True


def test_a_task_runs_on_graviton_and_never_on_spot(either: Deployment) -> None:
    media = either.stack("media")
    assert media.one("AWS::ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    assert media.one("AWS::ECS::Service")["LaunchType"] == "FARGATE"
    assert "SPOT" not in media.text


def test_a_log_that_cannot_be_written_does_not_hold_up_audio(either: Deployment) -> None:
    log = container(either)["LogConfiguration"]
    assert log["LogDriver"] == "awslogs"
    assert log["Options"]["mode"] == "non-blocking"


def test_a_task_finds_every_setting_that_the_program_reads(either: Deployment) -> None:
    only = container(either)
    secrets = {secret["Name"]: secret["ValueFrom"] for secret in only["Secrets"]}
    assert secrets.keys() == {
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "OPENAI_API_KEY",
        "STREAM_TOKEN_SECRET",
        "OPERATOR_TOKENS",
    }
    known = {name: value if isinstance(value, str) else _example(name) for name, value in environment(either).items()}
    settings = read_settings(known | dict.fromkeys(secrets, "a:viewer:0123456789abcdef"))
    assert settings.host == "0.0.0.0"
    assert settings.businesses is None, "they are read from the table"
    assert settings.bridge.drain_s == 110
    assert settings.bridge.stream_origin == "wss://media.phone.example"
    assert settings.bus.url.startswith("rediss://")


def _example(name: str) -> str:
    """What a reference to another stack may become."""
    return {
        "PUBLIC_URL": "https://a1.execute-api.us-east-1.amazonaws.com",
        "FRONTDESK_STORE": "dynamodb:frontdesk",
        "FRONTDESK_BUS": "rediss://cache.example:6379",
        "FRONTDESK_RECORDINGS": "s3://bucket/calls",
    }[name]


def test_calls_decide_how_many_tasks_there_are(least: Deployment, most: Deployment) -> None:
    for deployment, at_least, at_most, percent in ((least, 2, 20, 60), (most, 3, 40, 50)):
        media = deployment.stack("media")
        target = media.one("AWS::ApplicationAutoScaling::ScalableTarget")
        policy = media.one("AWS::ApplicationAutoScaling::ScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (at_least, at_most)
        assert policy["TargetValue"] == percent
        metric = policy["CustomizedMetricSpecification"]
        assert (metric["MetricName"], metric["Statistic"]) == ("CapacityUsed", "Average")
        assert metric["Namespace"] == f"Frontdesk/{deployment.name}", "other deployments' calls are none of its own"
        assert "DesiredCount" not in media.one("AWS::ECS::Service"), "each deployment would undo what scaling has done"
        assert metric["Dimensions"] == [{"Name": "Service", "Value": "bridge"}]
        assert policy["ScaleInCooldown"] > policy["ScaleOutCooldown"]


def test_a_deployment_may_say_how_large_its_tasks_are(least: Deployment, most: Deployment) -> None:
    tasks = [deployment.stack("media").one("AWS::ECS::TaskDefinition") for deployment in (least, most)]
    assert [(task["Cpu"], task["Memory"]) for task in tasks] == [("1024", "2048"), ("2048", "8192")]
    assert [environment(deployment)["FRONTDESK_MAX_CALLS"] for deployment in (least, most)] == ["100", "80"]
    assert environment(least)["FRONTDESK_RECORDINGS"] == "off"


@pytest.mark.parametrize("kind", ["AWS::EC2::NatGateway", "AWS::EC2::EIP"])
def test_there_is_no_nat_gateway_to_pay_for(either: Deployment, kind: str) -> None:
    assert all(not template.resources(kind) for template in either.all())
    service = either.stack("media").one("AWS::ECS::Service")
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED"
