"""Which settings an instance has, and by which parameter each is given to a copy.

RDS gives a copy its defaults wherever it is told nothing: its own parameter group, the default security group, no protection.
So nothing is left to it unsaid. Every parameter that boto3's model has for a restore is passed on, derived, or named in
`LEFT_OUT` with the reason, and every thing that is described of an instance is compared or named in `NOT_COMPARED`: a test
holds both against the botocore that is installed, and a new one with something new turns it red.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.stores.rds import tags_of

Settings = Mapping[str, Any]
"""By the name that RDS describes it with; values plain enough for JSON."""
OURS = "sluice:"
"""With this our tags begin: they say what a copy is, and are no setting."""

PASSED: Mapping[str, str] = {
    "AllocatedStorage": "AllocatedStorage",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod": "BackupRetentionPeriod",
    "BackupTarget": "BackupTarget",
    "CACertificateIdentifier": "CACertificateIdentifier",
    "CopyTagsToSnapshot": "CopyTagsToSnapshot",
    "DBCapacityReservationIdentifier": "DBCapacityReservationIdentifier",
    "DBInstanceClass": "DBInstanceClass",
    "DBParameterGroupName": "DBParameterGroups",
    "DBSubnetGroupName": "DBSubnetGroup",
    "DedicatedLogVolume": "DedicatedLogVolume",
    "DeletionProtection": "DeletionProtection",
    "EnableCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
    "EnableCustomerOwnedIp": "CustomerOwnedIpEnabled",
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "Engine": "Engine",
    "EngineLifecycleSupport": "EngineLifecycleSupport",
    "LicenseModel": "LicenseModel",
    "MaxAllocatedStorage": "MaxAllocatedStorage",
    "MultiAZ": "MultiAZ",
    "NetworkType": "NetworkType",
    "OptionGroupName": "OptionGroupMemberships",
    "Port": "Endpoint",
    "PreferredBackupWindow": "PreferredBackupWindow",
    "ProcessorFeatures": "ProcessorFeatures",
    "PubliclyAccessible": "PubliclyAccessible",
    "StorageType": "StorageType",
    "VpcSecurityGroupIds": "VpcSecurityGroups",
}
"""Parameter of a restore: the setting that it is given."""

DERIVED = frozenset({
    "SourceDBInstanceIdentifier", "SourceDbiResourceId", "TargetDBInstanceIdentifier", "RestoreTime", "UseLatestRestorableTime",
    "DBInstanceIdentifier", "DBSnapshotIdentifier", "Tags", "Iops", "StorageThroughput", "Domain", "DomainIAMRoleName",
    "DomainFqdn", "DomainOu", "DomainAuthSecretArn", "DomainDnsIps",
})  # fmt: skip
"""Parameters that are no setting, or come of several: `planning.py` makes them."""

LEFT_OUT: Mapping[str, str] = {
    "AdditionalStorageVolumes": "Oracle and SQL Server alone have them",
    "AvailabilityZone": "RDS chooses one that has room: the original's may be the one that failed",
    "CustomIamInstanceProfile": "RDS Custom alone has one, and that is not for PostgreSQL",
    "DBClusterSnapshotIdentifier": "a snapshot of a cluster: not of an instance",
    "DBName": "PostgreSQL's databases keep their names",
    "ManageMasterUserPassword": "a restore takes it for Oracle alone: it is put back afterwards",
    "MasterUserSecretKmsKeyId": "a restore takes it for Oracle alone: it is put back afterwards",
    "SourceDBInstanceAutomatedBackupsArn": "backups that another region replicates: the restore there is a person's",
    "TagSpecifications": "tags of the automated backups of the copy: those of the original say nothing about them",
    "TdeCredentialArn": "Oracle and SQL Server alone have it",
    "TdeCredentialPassword": "Oracle and SQL Server alone have it",
    "UseDefaultProcessorFeatures": "Oracle and SQL Server alone have a choice: what is chosen is passed on as it is",
}
"""Parameters of a restore that are not given, each with its reason."""

NOT_OF_A_SNAPSHOT = frozenset({"MaxAllocatedStorage"})
"""What a restore from a snapshot has no parameter for: it is put back afterwards."""

PUT_BACK: tuple[Mapping[str, str], ...] = (
    {"MonitoringInterval": "MonitoringInterval", "MonitoringRoleArn": "MonitoringRoleArn"},
    {
        "EnablePerformanceInsights": "PerformanceInsightsEnabled",
        "PerformanceInsightsKMSKeyId": "PerformanceInsightsKMSKeyId",
        "PerformanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
        "DatabaseInsightsMode": "DatabaseInsightsMode",
    },
    {"PreferredMaintenanceWindow": "PreferredMaintenanceWindow"},
    {"BackupRetentionPeriod": "BackupRetentionPeriod", "PreferredBackupWindow": "PreferredBackupWindow"},
    {"MaxAllocatedStorage": "MaxAllocatedStorage"},
    {"ManageMasterUserPassword": "MasterUserSecret", "MasterUserSecretKmsKeyId": "MasterUserSecret"},
)
"""What a change of the copy gives it afterwards, parameter: setting; those that go together in one group."""

_CUSTOM = "RDS Custom alone has it"
_STREAM = "Oracle and SQL Server alone have activity streams"
_NOW = "how it is at the moment, not how it is set"
_REPLICAS = "who follows whom: a copy follows nobody, and nobody follows it"
NOT_COMPARED: Mapping[str, str] = {
    "ActivityStreamEngineNativeAuditFieldsIncluded": _STREAM,
    "ActivityStreamKinesisStreamName": _STREAM,
    "ActivityStreamKmsKeyId": _STREAM,
    "ActivityStreamMode": _STREAM,
    "ActivityStreamPolicyStatus": _STREAM,
    "ActivityStreamStatus": _STREAM,
    "AutomaticRestartTime": _NOW,
    "AutomationMode": _CUSTOM,
    "AvailabilityZone": LEFT_OUT["AvailabilityZone"],
    "AwsBackupRecoveryPointArn": "what AWS Backup holds of it",
    "CertificateDetails": "until when its certificate holds; who signs it is compared",
    "DBClusterIdentifier": "members of a cluster are not restored by themselves",
    "DBInstanceArn": "its name",
    "DBInstanceIdentifier": "its name",
    "DBInstanceStatus": _NOW,
    "DBSecurityGroups": "of a network that AWS has switched off",
    "DBSystemId": "Oracle alone has it",
    "DbInstancePort": "its endpoint's port is compared",
    "DbiResourceId": "its name",
    "EnhancedMonitoringResourceArn": "where its measurements are written",
    "InstanceCreateTime": "when it was made",
    "IsStorageConfigUpgradeAvailable": _NOW,
    "LatestRestorableTime": _NOW,
    "ListenerEndpoint": "SQL Server alone has it",
    "PendingModifiedValues": _NOW,
    "PercentProgress": _NOW,
    "ReadReplicaDBClusterIdentifiers": _REPLICAS,
    "ReadReplicaDBInstanceIdentifiers": _REPLICAS,
    "ReadReplicaSourceDBClusterIdentifier": _REPLICAS,
    "ReadReplicaSourceDBInstanceIdentifier": _REPLICAS,
    "ReplicaMode": _REPLICAS,
    "ResumeFullAutomationModeTime": _CUSTOM,
    "SecondaryAvailabilityZone": LEFT_OUT["AvailabilityZone"],
    "StatusInfos": _NOW,
    "StorageOperationPercentProgress": _NOW,
    "StorageOperationStatus": _NOW,
    "StorageVolumeStatus": _NOW,
    "UpgradeRolloutOrder": "the organisation's rule, not the instance's",
}
"""What RDS describes of an instance and is held against nothing, each with its reason."""


def settings_of(described: Mapping[str, Any]) -> Settings:
    """Read the settings out of what RDS describes. Pure."""
    named = sorted(name for name in described if name not in NOT_COMPARED and name[0].isupper() and name != "Seen")
    return {name: _READ.get(name, _as_it_is)(described[name]) for name in named}


def _as_it_is(value: Any) -> Any:
    return value


def _names(of: str) -> Callable[[Any], list[str]]:
    return lambda value: sorted(one[of] for one in value)


def _only(of: str) -> Callable[[Any], str | None]:
    return lambda value: next((one[of] for one in value), None)


def _within(of: str) -> Callable[[Any], Any]:
    return lambda value: value.get(of)


def _without(*states: str) -> Callable[[Any], list[dict[str, Any]]]:
    """Give a list of things without how each is at the moment, in an order of its own."""
    return lambda value: sorted(
        ({key: told for key, told in one.items() if key not in states} for one in value), key=str
    )


def _regions(value: Any) -> list[str]:
    return sorted(one["DBInstanceAutomatedBackupsArn"].split(":")[3] for one in value)


def _tags(value: Any) -> dict[str, str]:
    """Those of a person: nobody but AWS may write its own, and ours say what a copy is."""
    return {key: told for key, told in tags_of({"TagList": value}).items() if not key.startswith(("aws:", OURS))}


def _beyond_standard(value: Any) -> Any:
    return None if value == "standard" else value


_READ: Mapping[str, Callable[[Any], Any]] = {
    "AdditionalStorageVolumes": _without(
        "StorageVolumeStatus", "StorageOperationStatus", "StorageOperationPercentProgress"
    ),
    "AssociatedRoles": _without("Status"),
    "DBInstanceAutomatedBackupsReplications": _regions,
    "DBParameterGroups": _only("DBParameterGroupName"),
    "DBSubnetGroup": _within("DBSubnetGroupName"),
    "DatabaseInsightsMode": _beyond_standard,
    "DomainMemberships": _without("Status"),
    "EnabledCloudwatchLogsExports": sorted,
    "Endpoint": _within("Port"),
    "MasterUserSecret": _within("KmsKeyId"),
    "OptionGroupMemberships": _only("OptionGroupName"),
    "ProcessorFeatures": _without(),
    "TagList": _tags,
    "VpcSecurityGroups": _names("VpcSecurityGroupId"),
}
