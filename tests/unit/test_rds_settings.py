"""What RDS is told for a copy: every parameter that the installed botocore knows has its place, and every setting is compared."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from sluice.errors import Terminal, Transient
from sluice.safety.rds import settings
from sluice.safety.rds.planning import Wanted, differences, parameters_of, plan_afterwards, wanted_of
from sluice.safety.rds.settings import DERIVED, LEFT_OUT, NOT_COMPARED, NOT_OF_A_SNAPSHOT, PASSED, PUT_BACK, settings_of
from sluice.stores.rds import translated

MODEL = botocore.session.get_session().get_service_model("rds")
TO_A_TIME, FROM_A_SNAPSHOT = "RestoreDBInstanceToPointInTime", "RestoreDBInstanceFromDBSnapshot"
SHOP: dict[str, Any] = {
    "DBInstanceIdentifier": "shop",
    "DbiResourceId": "db-SHOP",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.r6g.xlarge",
    "Engine": "postgres",
    "EngineVersion": "16.4",
    "LicenseModel": "postgresql-license",
    "Endpoint": {"Address": "shop.abc.eu-west-1.rds.amazonaws.com", "Port": 6432, "HostedZoneId": "Z"},
    "AllocatedStorage": 500,
    "MaxAllocatedStorage": 2000,
    "StorageType": "gp3",
    "Iops": 12000,
    "StorageThroughput": 500,
    "StorageEncrypted": True,
    "KmsKeyId": "arn:aws:kms:eu-west-1:1:key/shop",
    "DBParameterGroups": [{"DBParameterGroupName": "shop-16", "ParameterApplyStatus": "in-sync"}],
    "OptionGroupMemberships": [{"OptionGroupName": "shop-options", "Status": "in-sync"}],
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2", "Status": "active"}, {"VpcSecurityGroupId": "sg-1"}],
    "DBSubnetGroup": {"DBSubnetGroupName": "private", "VpcId": "vpc-1"},
    "DomainMemberships": [{"Domain": "d-1", "Status": "joined", "FQDN": "ad.shop", "IAMRoleName": "directory"}],
    "MultiAZ": True,
    "PubliclyAccessible": True,
    "AutoMinorVersionUpgrade": False,
    "IAMDatabaseAuthenticationEnabled": True,
    "CACertificateIdentifier": "rds-ca-ecc384-g1",
    "EnabledCloudwatchLogsExports": ["upgrade", "postgresql"],
    "DeletionProtection": True,
    "CopyTagsToSnapshot": True,
    "BackupRetentionPeriod": 35,
    "PreferredBackupWindow": "02:00-02:30",
    "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
    "BackupTarget": "region",
    "NetworkType": "DUAL",
    "DedicatedLogVolume": True,
    "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
    "CustomerOwnedIpEnabled": True,
    "DBCapacityReservationIdentifier": "dbcr-1",
    "ProcessorFeatures": [{"Name": "coreCount", "Value": "2"}],
    "MonitoringInterval": 15,
    "MonitoringRoleArn": "arn:aws:iam::1:role/monitoring",
    "PerformanceInsightsEnabled": True,
    "PerformanceInsightsKMSKeyId": "arn:aws:kms:eu-west-1:1:key/insights",
    "PerformanceInsightsRetentionPeriod": 465,
    "DatabaseInsightsMode": "advanced",
    "MasterUserSecret": {
        "SecretArn": "arn:secret",
        "SecretStatus": "active",
        "KmsKeyId": "arn:aws:kms:eu-west-1:1:key/s",
    },
    "AssociatedRoles": [{"RoleArn": "arn:aws:iam::1:role/s3", "FeatureName": "s3Import", "Status": "ACTIVE"}],
    "DBInstanceAutomatedBackupsReplications": [
        {"DBInstanceAutomatedBackupsArn": "arn:aws:rds:eu-central-1:1:auto-backup:ab-1"}
    ],
    "TagList": [{"Key": "team", "Value": "shop"}, {"Key": "aws:cloudformation:stack", "Value": "x"}],
}
"""An instance that has every setting which is not a default, as RDS describes it."""


def members(operation: str) -> set[str]:
    return set(MODEL.operation_model(operation).input_shape.members)


def described() -> dict[str, Any]:
    shape = MODEL.operation_model("DescribeDBInstances").output_shape.members["DBInstances"].member
    return dict(shape.members)


@pytest.mark.parametrize("operation", [TO_A_TIME, FROM_A_SNAPSHOT])
def test_every_parameter_of_a_restore_is_passed_on_derived_or_left_out_with_a_reason(operation: str) -> None:
    """Red with a botocore that knows a new one: decide which it is."""
    has = members(operation) | (NOT_OF_A_SNAPSHOT if operation == FROM_A_SNAPSHOT else set())
    assert has - set(PASSED) - DERIVED - set(LEFT_OUT) == set()
    assert set(PASSED) - has == set()
    assert not set(PASSED) & DERIVED | set(PASSED) & set(LEFT_OUT) | DERIVED & set(LEFT_OUT)


def test_nothing_is_named_that_no_restore_has_and_every_setting_that_is_passed_on_is_described() -> None:
    either = members(TO_A_TIME) | members(FROM_A_SNAPSHOT)
    assert (DERIVED | set(LEFT_OUT)) - either == set()
    assert {*PASSED.values(), *NOT_COMPARED, *settings._READ} - set(described()) == set()
    assert {told for group in PUT_BACK for told in group} - members("ModifyDBInstance") == set()
    assert {name for group in PUT_BACK for name in group.values()} - set(described()) == set()


def test_a_new_parameter_would_be_seen() -> None:
    assert {*members(TO_A_TIME), "SomethingNew"} - set(PASSED) - DERIVED - set(LEFT_OUT) == {"SomethingNew"}


def test_whatever_is_described_of_an_instance_is_compared_or_named_with_its_reason() -> None:
    """What is neither is compared as it is: it has to be plain, so that it can be kept and means the same later."""
    compared = {name: shape for name, shape in described().items() if name not in NOT_COMPARED}
    odd = {name for name, shape in compared.items() if shape.type_name not in ("string", "integer", "boolean")}
    assert odd - set(settings._READ) == set(), "read these in settings.py, or name them in NOT_COMPARED"
    for name in sorted(compared):
        found = differences({}, Wanted({}, {}), {name: "another"})
        assert [line.split(":")[0] for line in found.wrong] == [name]


def test_a_copy_for_the_real_day_is_told_everything() -> None:
    original = settings_of(SHOP)
    told = parameters_of(
        wanted_of(original, "whole", "db.t4g.medium").settings, {"sluice:store": "shop"}, from_snapshot=False
    )
    assert told == {
        "AllocatedStorage": 500,
        "AutoMinorVersionUpgrade": False,
        "BackupRetentionPeriod": 35,
        "BackupTarget": "region",
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "CopyTagsToSnapshot": True,
        "DBCapacityReservationIdentifier": "dbcr-1",
        "DBInstanceClass": "db.r6g.xlarge",
        "DBParameterGroupName": "shop-16",
        "DBSubnetGroupName": "private",
        "DedicatedLogVolume": True,
        "DeletionProtection": True,
        "Domain": "d-1",
        "DomainIAMRoleName": "directory",
        "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
        "EnableCustomerOwnedIp": True,
        "EnableIAMDatabaseAuthentication": True,
        "Engine": "postgres",
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "Iops": 12000,
        "LicenseModel": "postgresql-license",
        "MaxAllocatedStorage": 2000,
        "MultiAZ": True,
        "NetworkType": "DUAL",
        "OptionGroupName": "shop-options",
        "Port": 6432,
        "PreferredBackupWindow": "02:00-02:30",
        "ProcessorFeatures": [{"Name": "coreCount", "Value": "2"}],
        "PubliclyAccessible": True,
        "StorageThroughput": 500,
        "StorageType": "gp3",
        "Tags": [{"Key": "sluice:store", "Value": "shop"}, {"Key": "team", "Value": "shop"}],
        "VpcSecurityGroupIds": ["sg-1", "sg-2"],
    }
    assert set(told) | DERIVED >= set(PASSED)


def test_a_drills_copy_is_small_closed_and_leaves_nothing_behind() -> None:
    original = settings_of(SHOP)
    whole = parameters_of(wanted_of(original, "whole").settings, {}, from_snapshot=False)
    drill = parameters_of(wanted_of(original, "drill", "db.t4g.medium").settings, {}, from_snapshot=False)
    other = {name: drill.get(name) for name in whole if drill.get(name) != whole[name]}
    assert other == {
        "BackupRetentionPeriod": 0,
        "DBCapacityReservationIdentifier": None,
        "DBInstanceClass": "db.t4g.medium",
        "DeletionProtection": False,
        "EnableCloudwatchLogsExports": None,
        "MultiAZ": False,
        "PreferredBackupWindow": None,
        "PubliclyAccessible": False,
    }


def test_a_snapshots_restore_is_told_only_what_it_takes() -> None:
    told = parameters_of(settings_of(SHOP), {}, from_snapshot=True)
    assert set(told) <= members(FROM_A_SNAPSHOT)
    assert "MaxAllocatedStorage" not in told


@pytest.mark.parametrize(
    ("kind", "gib", "told"), [("gp3", 399, {}), ("gp3", 400, {"Iops": 12000}), ("io2", 100, {"Iops": 12000})]
)
def test_the_speed_of_a_small_gp3_is_not_said_rds_refuses_it(kind: str, gib: int, told: dict[str, int]) -> None:
    original = {"StorageType": kind, "AllocatedStorage": gib, "Iops": 12000}
    found = parameters_of(original, {}, from_snapshot=False)
    assert {name: value for name, value in found.items() if name in ("Iops", "StorageThroughput")} == told


def test_a_directory_of_ones_own_goes_by_its_name_and_a_secret() -> None:
    own = {"FQDN": "ad.shop", "OU": "OU=x", "AuthSecretArn": "arn:secret", "DnsIps": ["10.0.0.1", "10.0.0.2"]}
    told = parameters_of({"DomainMemberships": [own]}, {}, from_snapshot=False)
    assert told == {"DomainFqdn": "ad.shop", "DomainOu": "OU=x", "DomainAuthSecretArn": "arn:secret",
                    "DomainDnsIps": ["10.0.0.1", "10.0.0.2"], "Tags": []}  # fmt: skip


def test_what_a_restore_has_no_parameter_for_is_put_back_afterwards_once() -> None:
    original = settings_of(SHOP)
    fresh = {**original, "MonitoringInterval": 0, "MonitoringRoleArn": None, "PerformanceInsightsEnabled": False}
    for name in ("PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod", "DatabaseInsightsMode",
                 "MaxAllocatedStorage", "MasterUserSecret", "AssociatedRoles"):  # fmt: skip
        fresh.pop(name)
    fresh["PreferredMaintenanceWindow"] = "mon:01:00-mon:01:30"
    plan = plan_afterwards(fresh, original)
    assert plan.changes == {
        "MonitoringInterval": 15,
        "MonitoringRoleArn": "arn:aws:iam::1:role/monitoring",
        "EnablePerformanceInsights": True,
        "PerformanceInsightsKMSKeyId": "arn:aws:kms:eu-west-1:1:key/insights",
        "PerformanceInsightsRetentionPeriod": 465,
        "DatabaseInsightsMode": "advanced",
        "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
        "MaxAllocatedStorage": 2000,
        "ManageMasterUserPassword": True,
        "MasterUserSecretKmsKeyId": "arn:aws:kms:eu-west-1:1:key/s",
    }
    assert plan.roles == ({"RoleArn": "arn:aws:iam::1:role/s3", "FeatureName": "s3Import"},)
    assert plan_afterwards(original, original).names == []
    drill = wanted_of(original, "drill").settings
    assert plan_afterwards({**drill, "MaxAllocatedStorage": None}, drill).names == ["MaxAllocatedStorage"]


def test_what_was_meant_to_differ_is_told_apart_from_what_was_not() -> None:
    original = settings_of(SHOP)
    wanted = wanted_of(original, "drill", "db.t4g.medium")
    copy = {name: value for name, value in wanted.settings.items() if value is not None}
    assert differences(original, wanted, copy).wrong == ()
    meant = differences(original, wanted, copy).meant
    assert "DBInstanceClass: db.t4g.medium, was db.r6g.xlarge: drills have a class of their own" in meant
    assert {line.split(":")[0] for line in meant} == set(wanted.reasons)
    spoilt = {**copy, "DBParameterGroups": "default.postgres16", "MultiAZ": True, "PreferredMaintenanceWindow": "any"}
    assert differences(original, wanted, spoilt).wrong == (
        "DBParameterGroups: default.postgres16, should be shop-16",
        "MultiAZ: True, should be False",
    )


PASS = {"Throttling", "InvalidDBInstanceState", "InvalidDBSnapshotState", "InsufficientDBInstanceCapacity",
        "ProvisionedIopsNotAvailableInAZFault"}  # fmt: skip


def test_errors_of_the_service_pass_by_themselves_or_stop() -> None:
    """By the codes of the service's own model: all that may pass is named here, every other stops."""
    asked = (TO_A_TIME, FROM_A_SNAPSHOT, "CreateDBSnapshot", "CopyDBSnapshot", "DeleteDBInstance", "ModifyDBInstance")
    codes = {shape.error_code for name in asked for shape in MODEL.operation_model(name).error_shapes} | {"Throttling"}
    assert codes >= PASS
    for code in codes:
        error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Any")  # type: ignore[typeddict-item]
        told = translated(error, "cannot bring back shop")
        assert isinstance(told, Transient if code in PASS else Terminal), code
        assert str(told).startswith("cannot bring back shop. "), "what to do next follows"
