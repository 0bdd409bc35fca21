"""The network: where tasks, load balancer and cache live, and who may speak to whom.

Tasks have public addresses and no NAT gateway. Everything they do goes out: to the model, to Twilio and to AWS. A NAT gateway for each
zone would cost nine times what their addresses do before the first call, and again for every byte of audio; interface endpoints would
replace only the AWS part of it. What keeps strangers out is the security group: in comes nothing but the load balancer.
"""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.exceptions import accept
from infra.figures import BRIDGE_PORT
from infra.settings import Settings

BUS_PORT = 6379
PUBLIC, INNER = "Public", "Inner"


class Network(Stack):
    """The VPC and its security groups."""

    def __init__(self, scope: Construct, id: str, settings: Settings, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        self.vpc = self._vpc(settings)
        self.door = self._group("Door", "The load balancer: HTTPS from everywhere, to the bridge tasks only")
        self.tasks = self._group("Tasks", "Bridge tasks: from the load balancer only, out to the model, Twilio, AWS and the bus")
        self.bus = self._group("Bus", "The cache: from bridge tasks only")
        self._allow()

    def _vpc(self, settings: Settings) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.0.0.0/16"),
            availability_zones=list(settings.zones),
            nat_gateways=0,
            restrict_default_security_group=False,  # would be a Lambda function of its own; nothing is in that group
            subnet_configuration=[
                # An address for each task of two deployments at a time, and then some: 4091 in each zone.
                ec2.SubnetConfiguration(
                    name=PUBLIC, subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=20, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name=INNER, subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
            ],
            # These two cost nothing, and keep records and recordings off the public network.
            gateway_endpoints={
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            },
        )
        accept(vpc, "VPC7", "Flow logs of audio are 100 packets a second and call. Who called is on the record of each call.")
        return vpc

    def _group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, id, vpc=self.vpc, description=description, allow_all_outbound=False)

    def _allow(self) -> None:
        https = ec2.Port.tcp(443)
        self.door.add_ingress_rule(ec2.Peer.any_ipv4(), https, "Twilio and operators")
        accept(
            self.door,
            "EC23",
            "Twilio publishes no addresses its media streams come from; signature and token are checked instead.",
        )
        self.door.add_egress_rule(self.tasks, ec2.Port.tcp(BRIDGE_PORT), "Bridge tasks")
        self.tasks.add_ingress_rule(self.door, ec2.Port.tcp(BRIDGE_PORT), "The load balancer")
        self.tasks.add_egress_rule(ec2.Peer.any_ipv4(), https, "Model, Twilio, AWS, tools of businesses")
        self.tasks.add_egress_rule(self.bus, ec2.Port.tcp(BUS_PORT), "The bus")
        self.bus.add_ingress_rule(self.tasks, ec2.Port.tcp(BUS_PORT), "Bridge tasks")
