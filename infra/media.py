"""The bridge: tasks on Fargate behind a load balancer. Calls are minutes to an hour long, and everything here lets them end.

A deployment is blue/green: new calls go to the new tasks at once, the old ones stay for longer than a call lasts. In a rolling one the
old tasks, protected for their calls, would be given new calls and never be done. Spot capacity leaves two minutes, and is not used.
"""

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra import figures
from infra.bus import Bus
from infra.data import RECORDINGS_PREFIX, Data
from infra.exceptions import accept
from infra.log_groups import log_group
from infra.metrics import Figures, namespace_of
from infra.network import PUBLIC, Network
from infra.permissions import BRIDGE_ON_TABLE, on_table
from infra.settings import Settings
from infra.webhooks import Webhooks

_ROOT = Path(__file__).parents[1]
_SPOOL = "spool"

_AN_ARN = "arn:<AWS::Partition>:{}"
_WILD = "IAM5[Resource::{}]"
_MANAGED = f"IAM4[Policy::{_AN_ARN.format('iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers')}]"
_UNNAMED = "Tasks of its own cluster, and recordings below their prefix, have no names beforehand."


class Media(Stack):
    """Load balancer, cluster and service."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        settings: Settings,
        *,
        network: Network,
        bus: Bus,
        data: Data,
        webhooks: Webhooks,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id, **stack)
        self._settings, self._network, self._figures = settings, network, Figures(settings)
        self.cluster = ecs.Cluster(self, "Cluster", vpc=network.vpc, cluster_name=settings.name)
        accept(
            self.cluster,
            "ECS4",
            "The bridge writes its own figures, by call and not by container; insights would cost as much again.",
        )
        self.balancer = self._load_balancer()
        self.blue, self.green = self._target_group("Blue"), self._target_group("Green")
        rule = self._rule()
        task = self._task(data, bus.url, webhooks.public_url)
        self.service = self._service(task, rule)
        self._scale()
        CfnOutput(
            self, "BalancerAddress", value=self.balancer.load_balancer_dns_name, description=f"CNAME of {settings.media_domain}"
        )
        CfnOutput(self, "ClusterName", value=self.cluster.cluster_name)
        CfnOutput(self, "ServiceName", value=self.service.service_name)

    # The way in

    def _load_balancer(self) -> elb.ApplicationLoadBalancer:
        balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PUBLIC),
            internet_facing=True,
            security_group=self._network.door,
            idle_timeout=Duration.seconds(figures.ALB_IDLE_S),
            # An hour by default. Whether a connection that has become a WebSocket counts is not documented, so no call gets there.
            client_keep_alive=Duration.minutes(self._settings.bake_min),
            drop_invalid_header_fields=True,
            deletion_protection=self._settings.protected,
        )
        balancer.log_access_logs(self._access_logs())
        return balancer

    def _access_logs(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(self._settings.log_days))],
            removal_policy=RemovalPolicy.RETAIN if self._settings.protected else RemovalPolicy.DESTROY,
        )
        accept(bucket, "S1", "It is the bucket of the access logs.")
        return bucket

    def _target_group(self, id: str) -> elb.ApplicationTargetGroup:
        return elb.ApplicationTargetGroup(
            self,
            id,
            vpc=self._network.vpc,
            target_type=elb.TargetType.IP,
            port=figures.BRIDGE_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            # A stream is one request that is outstanding for as long as its call: the next one goes where there are the fewest calls.
            load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            deregistration_delay=Duration.seconds(figures.DEREGISTRATION_DELAY_S),
            health_check=elb.HealthCheck(
                path=figures.HEALTH_PATH,
                healthy_http_codes="200",
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=6,  # a minute: an unhealthy task is replaced, and its calls are cut
            ),
        )

    def _rule(self) -> elb.ApplicationListenerRule:
        """What leads to the tasks. ECS moves its weights with every deployment, and CloudFormation knows nothing of it: an update that
        changes anything about this rule puts them back to blue, where there may be no task. So it stays as it is; a test holds it."""
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", self._settings.media_certificate_arn)
        listener = self.balancer.add_listener(
            "Https",
            port=443,
            protocol=elb.ApplicationProtocol.HTTPS,
            certificates=[certificate],
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS,
            open=False,
            default_action=elb.ListenerAction.fixed_response(
                404, content_type="text/plain", message_body="There is nothing here.\n"
            ),
        )
        return elb.ApplicationListenerRule(
            self,
            "Bridge",
            listener=listener,
            priority=10,
            conditions=[elb.ListenerCondition.path_patterns(list(figures.BRIDGE_PATHS))],
            action=elb.ListenerAction.weighted_forward(
                [
                    elb.WeightedTargetGroup(target_group=self.blue, weight=100),
                    elb.WeightedTargetGroup(target_group=self.green, weight=0),
                ]
            ),
        )

    # The tasks

    def _task(self, data: Data, bus_url: str, public_url: str) -> ecs.FargateTaskDefinition:
        settings = self._settings
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=settings.name,
            cpu=settings.task_cpu,
            memory_limit_mib=settings.task_memory_mb,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        task.add_volume(name=_SPOOL)
        self._permit(task, data)
        container = self._container(task, data, self._environment(data, bus_url, public_url))
        # Recordings on their way to the bucket. All else is read-only.
        container.add_mount_points(ecs.MountPoint(container_path=figures.WRITABLE, source_volume=_SPOOL, read_only=False))
        container.add_ulimits(ecs.Ulimit(name=ecs.UlimitName.NOFILE, soft_limit=65_536, hard_limit=65_536))
        accept(task, "ECS2", "What is in the environment is no secret; secrets come from Secrets Manager.")
        return task

    def _container(self, task: ecs.FargateTaskDefinition, data: Data, environment: dict[str, str]) -> ecs.ContainerDefinition:
        log = log_group(self, "Log", self._settings, "bridge")
        return task.add_container(
            figures.CONTAINER,
            container_name=figures.CONTAINER,
            image=self._image(),
            user=figures.USER,
            readonly_root_filesystem=True,
            stop_timeout=Duration.seconds(figures.STOP_TIMEOUT_S),
            # As process number 1 the bridge would be deaf to SIGTERM while it starts.
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
            port_mappings=[ecs.PortMapping(container_port=figures.BRIDGE_PORT)],
            health_check=ecs.HealthCheck(
                command=["CMD", *figures.HEALTH_COMMAND],
                interval=Duration.seconds(30),
                timeout=Duration.seconds(10),
                retries=3,
                start_period=Duration.seconds(60),
            ),
            environment=environment,
            secrets=_secrets(data),
            # A log that cannot be written must not hold up audio.
            logging=ecs.AwsLogDriver(
                stream_prefix="task", log_group=log, mode=ecs.AwsLogDriverMode.NON_BLOCKING, max_buffer_size=Size.mebibytes(25)
            ),
        )

    def _environment(self, data: Data, bus_url: str, public_url: str) -> dict[str, str]:
        settings = self._settings
        recordings = f"s3://{data.recordings.bucket_name}/{RECORDINGS_PREFIX}" if settings.record_calls else "off"
        return {
            "HOST": "0.0.0.0",
            "PORT": str(figures.BRIDGE_PORT),
            "PUBLIC_URL": public_url,
            "STREAM_URL": settings.stream_origin,
            "FRONTDESK_STORE": f"dynamodb:{data.table.table_name}",
            "FRONTDESK_BUS": bus_url,
            "FRONTDESK_RECORDINGS": recordings,
            "FRONTDESK_MAX_CALLS": str(settings.max_calls_per_task),
            "FRONTDESK_DRAIN_S": str(figures.DRAIN_S),
            "FRONTDESK_METRICS": "emf",
            "FRONTDESK_METRICS_NAMESPACE": namespace_of(settings),
            "FRONTDESK_METRICS_INTERVAL_S": str(figures.METRICS_INTERVAL_S),
            "FRONTDESK_LOG_FORMAT": "json",
            "AWS_DEFAULT_REGION": self.region,
        }

    def _image(self) -> ecs.ContainerImage:
        if self._settings.image:
            return ecs.ContainerImage.from_registry(self._settings.image)
        return ecs.ContainerImage.from_asset(str(_ROOT), file="infra/Dockerfile", platform=ecr_assets.Platform.LINUX_ARM64)

    def _permit(self, task: ecs.FargateTaskDefinition, data: Data) -> None:
        task.add_to_task_role_policy(on_table(data, BRIDGE_ON_TABLE))
        protected = self.format_arn(service="ecs", resource="task", resource_name=f"{self._settings.name}/*")
        task.add_to_task_role_policy(iam.PolicyStatement(actions=["ecs:UpdateTaskProtection"], resources=[protected]))
        accept(
            task.task_role,
            _WILD.format(_AN_ARN.format(f"ecs:{self.region}:<AWS::AccountId>:task/{self._settings.name}/*")),
            _UNNAMED,
        )
        if self._settings.record_calls:
            self._permit_recording(task, data)
        accept(task.obtain_execution_role(), _WILD.format("*"), "ecr:GetAuthorizationToken knows no resource.")

    def _permit_recording(self, task: ecs.FargateTaskDefinition, data: Data) -> None:
        whole = data.recordings.bucket_arn
        below = f"{{}}/{RECORDINGS_PREFIX}/*"
        actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        task.add_to_task_role_policy(iam.PolicyStatement(actions=actions, resources=[below.format(whole)]))
        task.add_to_task_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[whole]))
        exported = self.resolve(data.export_value(whole))["Fn::ImportValue"]
        accept(task.task_role, _WILD.format(below.format(exported)), _UNNAMED)

    # The service

    def _service(self, task: ecs.FargateTaskDefinition, rule: elb.ApplicationListenerRule) -> ecs.FargateService:
        settings = self._settings
        service = ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=task,
            # No desired_count: each deployment would put it back to that, whatever scaling has made of it. It begins with one task, and
            # scaling makes it `least_tasks` as soon as it is registered.
            assign_public_ip=True,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PUBLIC),
            security_groups=[self._network.tasks],
            # It would stop tasks in order to start others elsewhere.
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
            min_healthy_percent=100,
            max_healthy_percent=200,
            deployment_strategy=ecs.DeploymentStrategy.BLUE_GREEN,
            bake_time=Duration.minutes(settings.bake_min),
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[alarm.alarm_name for alarm in self._roll_back_alarms()], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            health_check_grace_period=Duration.seconds(60),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        target = service.load_balancer_target(
            container_name=figures.CONTAINER,
            container_port=figures.BRIDGE_PORT,
            alternate_target=ecs.AlternateTarget(
                "Alternate",
                alternate_target_group=self.green,
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(rule),
            ),
        )
        target.attach_to_application_target_group(self.blue)
        accept(service, _MANAGED, "What ECS needs in order to move weights between target groups is AWS's to say.")
        return service

    def _roll_back_alarms(self) -> list[cloudwatch.Alarm]:
        """What sends new calls back to the old tasks while a deployment lasts."""
        bridge = self._figures.bridge
        return [
            cloudwatch.Alarm(
                self,
                id,
                alarm_name=f"{self._settings.name}-deployment-{id.lower()}",
                alarm_description="Ends a deployment and sends calls back to the tasks before it.",
                metric=metric,
                threshold=threshold,
                evaluation_periods=3,
                datapoints_to_alarm=2,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            for id, metric, threshold in (
                ("Lost", bridge("EventsLost", "Sum"), 1),
                ("Mute", bridge("ModelBreakerOpen", "Maximum"), 1),
                ("Slow", bridge("GreetingLatency", "p95"), 3000),
            )
        ]

    def _scale(self) -> None:
        settings = self._settings
        count = self.service.auto_scale_task_count(min_capacity=settings.least_tasks, max_capacity=settings.most_tasks)
        count.scale_to_track_custom_metric(
            "Calls",
            # Each task says once a minute how full it is; the average of what they say falls when there are more of them.
            metric=self._figures.bridge("CapacityUsed", "Average"),
            target_value=settings.target_capacity_percent,
            scale_out_cooldown=Duration.seconds(60),
            scale_in_cooldown=Duration.minutes(15),
        )


def _secrets(data: Data) -> dict[str, ecs.Secret]:
    return {
        name: ecs.Secret.from_secrets_manager(secret, key)
        for name, secret, key in (
            ("TWILIO_ACCOUNT_SID", data.twilio, "account_sid"),
            ("TWILIO_AUTH_TOKEN", data.twilio, "auth_token"),
            ("OPENAI_API_KEY", data.openai, "api_key"),
            ("STREAM_TOKEN_SECRET", data.stream_token, "secret"),
            ("OPERATOR_TOKENS", data.operators, "tokens"),
        )
    }
