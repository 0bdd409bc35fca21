"""What is kept is what the code writes, and stays when it should."""

from calls.store.dynamodb_schema import TTL, table_description
from infra.settings import LOG_DAYS
from tests.infra.templates import Deployment


def test_the_table_is_the_one_the_store_describes(either: Deployment) -> None:
    table = either.stack("data").one("AWS::DynamoDB::Table")
    described = table_description(either.name)
    assert table["TableName"] == described["TableName"]
    assert table["KeySchema"] == described["KeySchema"]
    assert table["BillingMode"] == described["BillingMode"]
    assert table["GlobalSecondaryIndexes"] == described["GlobalSecondaryIndexes"]

    def by_name(attributes: list[dict[str, str]]) -> dict[str, str]:
        return {attribute["AttributeName"]: attribute["AttributeType"] for attribute in attributes}

    assert by_name(table["AttributeDefinitions"]) == by_name(described["AttributeDefinitions"])


def test_the_table_forgets_by_the_attribute_that_the_store_writes(either: Deployment) -> None:
    table = either.stack("data").one("AWS::DynamoDB::Table")
    assert table["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}


def test_the_table_can_be_restored_to_any_moment_of_35_days(either: Deployment) -> None:
    table = either.stack("data").one("AWS::DynamoDB::Table")
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}


def test_what_is_kept_outlives_its_stack_unless_it_is_told_not_to(least: Deployment, most: Deployment) -> None:
    for deployment, policy, is_protected in ((least, "Retain", True), (most, "Delete", False)):
        data = deployment.stack("data")
        for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"):
            assert {resource["DeletionPolicy"] for resource in data.resources(kind).values()} == {policy}
        assert data.one("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is is_protected


def test_recordings_are_private_encrypted_and_end(least: Deployment, most: Deployment) -> None:
    for deployment, days in ((least, 90), (most, 30)):
        bucket = deployment.stack("data").one("AWS::S3::Bucket")
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert (rule["ExpirationInDays"], rule["Status"]) == (days, "Enabled")
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_what_is_erased_of_recordings_leaves_no_older_version(either: Deployment) -> None:
    assert "VersioningConfiguration" not in either.stack("data").one("AWS::S3::Bucket")


def test_recordings_travel_encrypted_only(either: Deployment) -> None:
    policy = either.stack("data").one("AWS::S3::BucketPolicy")
    denied = [statement["Condition"] for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied


def test_no_secret_is_in_a_template(either: Deployment) -> None:
    secrets = either.stack("data").resources("AWS::SecretsManager::Secret")
    written = {
        id[:9]: secret["Properties"]["SecretString"] for id, secret in secrets.items() if "SecretString" in secret["Properties"]
    }
    assert written == {"Operators": '{"tokens":"nobody:viewer:sha256:' + "0" * 64 + '"}'}
    assert len(secrets) == 4


def test_every_log_is_kept_for_as_long_as_the_deployment_says(least: Deployment, most: Deployment) -> None:
    for deployment, days in ((least, 30), (most, 90)):
        groups = [group for template in deployment.all() for group in template.all("AWS::Logs::LogGroup")]
        assert [group["RetentionInDays"] for group in groups] == [days] * 4
        assert days in LOG_DAYS
        assert {group["LogGroupName"] for group in groups} == {
            f"/{deployment.name}/{name}" for name in ("bridge", "webhooks", "fallback", "access")
        }
