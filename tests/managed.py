"""A store in an RDS that is emulated, and what is said to it: for tests of its backups and of its copies.

moto keeps what RDS knows of an instance, and no database behind it. Two of its ways are put right here, as AWS describes its
own: a copy has the defaults in everything that it was not told (moto gives it whatever the original has), and `False` is told as
well (moto passes it over). What moto has no place for at all is held against what was sent: botocore checks each request
against the service's own model before it goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.rds.models import RDSBackend, rds_backends
from sluice.safety.rds.driver import Rds
from sluice.stores.objects import Vault

REGION, OTHER_REGION = "eu-west-1", "eu-central-1"
STORE = INSTANCE = "shop"
BY_ITSELF = ("engine", "engine_version", "allocated_storage", "storage_encrypted", "kms_key_id", "master_username", "db_name",
             "db_instance_class")  # fmt: skip
"""What a copy has of its original without being told."""
DSN = "host=shop.example port=5432 dbname=shop user=sluice password=se:cr\\et sslmode=require"


@dataclass
class Emulated:
    """The service in one region, with an instance in it that has no default but where it must."""

    vault: Vault
    folder: Path
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Every request, by operation, as botocore has checked it."""
    begun: list[str] = field(default_factory=list)
    """Every copy that was begun, whoever asked."""
    slow: int = 0
    """How many looks a copy takes until it is there."""
    looks: dict[str, int] = field(default_factory=dict)

    def client(self, service: str = "rds", region: str = REGION) -> Any:
        """Make a client whose requests are noted."""
        made = boto3.client(service, region_name=region, aws_access_key_id="SCRATCH", aws_secret_access_key="SCRATCH")
        made.meta.events.register("provide-client-params", self._note)
        return made

    def driver(self, **how: Any) -> Rds:
        """Open the store's driver."""
        told = {"client": self.client(), "every": 0.01, "drill_class": "db.t4g.medium", **how}
        return Rds(STORE, INSTANCE, DSN, vault=self.vault, folder=self.folder, **told)

    def said(self, operation: str) -> list[dict[str, Any]]:
        """What was asked in this operation."""
        return [asked for name, asked in self.sent if name == operation]

    def make_groups(self, region: str, ending: str = "") -> None:
        """Make what an instance lies in, in a region."""
        rds, subnets = (
            self.client(region=region),
            [*ec2_backends[DEFAULT_ACCOUNT_ID][region].get_default_subnets().values()],
        )
        rds.create_db_subnet_group(
            DBSubnetGroupName=f"private{ending}", DBSubnetGroupDescription="x", SubnetIds=[one.id for one in subnets]
        )
        rds.create_db_parameter_group(
            DBParameterGroupName=f"shop-13{ending}", DBParameterGroupFamily="postgres13", Description="x"
        )
        rds.create_option_group(
            OptionGroupName=f"shop-options{ending}",
            EngineName="postgres",
            MajorEngineVersion="13",
            OptionGroupDescription="x",
        )

    def inside(self, name: str) -> Any:
        """What the emulator keeps of an instance: to have it stand otherwise."""
        return rds_backends[DEFAULT_ACCOUNT_ID][REGION].databases[name]

    def snapshot(self, name: str) -> Any:
        """What it keeps of a snapshot."""
        return rds_backends[DEFAULT_ACCOUNT_ID][REGION].database_snapshots[name]

    def have_lasted(self, time: timedelta) -> None:
        """Have what RDS keeps by itself reach so far back: here the instance was made a moment ago."""
        for one in rds_backends[DEFAULT_ACCOUNT_ID][REGION].database_snapshots.values():
            if one.snapshot_type == "automated":
                one.created -= time

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.sent.append((model.name, dict(params)))

    def make(self) -> None:
        """Make the instance, and what is around it."""
        rds = self.client()
        self.make_groups(REGION)
        rds.create_db_instance(
            DBInstanceIdentifier=INSTANCE, DBInstanceClass="db.r6g.xlarge", Engine="postgres", EngineVersion="13.4",
            MasterUsername="master", MasterUserPassword="secret-of-master", DBName="shop", Port=6432,
            AllocatedStorage=500, MaxAllocatedStorage=2000, StorageType="gp3", Iops=12000, StorageThroughput=500,
            StorageEncrypted=True, KmsKeyId="arn:aws:kms:eu-west-1:123456789012:key/shop",
            DBParameterGroupName="shop-13", OptionGroupName="shop-options",
            VpcSecurityGroupIds=["sg-1", "sg-2"], DBSubnetGroupName="private", Domain="d-1", DomainIAMRoleName="directory",
            MultiAZ=True, PubliclyAccessible=True, AutoMinorVersionUpgrade=False, EnableIAMDatabaseAuthentication=True,
            CACertificateIdentifier="rds-ca-ecc384-g1", EnableCloudwatchLogsExports=["postgresql", "upgrade"],
            LicenseModel="postgresql-license", CopyTagsToSnapshot=True, DeletionProtection=True, BackupRetentionPeriod=35,
            PreferredBackupWindow="02:00-02:30", PreferredMaintenanceWindow="sun:04:00-sun:04:30",
            MonitoringInterval=15, MonitoringRoleArn="arn:aws:iam::123456789012:role/monitoring",
            Tags=[{"Key": "team", "Value": "shop"}],
        )  # fmt: skip
        self.sent.clear()


@contextmanager
def emulated(vault: Vault, folder: Path) -> Iterator[Emulated]:
    """Emulate RDS for as long as the block lasts."""
    made = Emulated(vault, folder)
    found = RDSBackend.describe_db_instances

    def to_a_time(self: RDSBackend, source: str, name: str, told: dict[str, Any]) -> Any:
        return begun(self, self.databases[source], name, told)

    def from_snapshot(self: RDSBackend, snapshot: str, told: dict[str, Any]) -> Any:
        found = self.describe_db_snapshots(None, snapshot)[0]
        return begun(self, found.database, told["db_instance_identifier"], told, kms_key_id=found.kms_key_id)

    def begun(self: RDSBackend, original: Any, name: str, told: dict[str, Any], **own: Any) -> Any:
        kept = {key: getattr(original, key) for key in BY_ITSELF}
        copy = self.create_db_instance({**kept, **own, **told, "db_instance_identifier": name})
        made.begun.append(name)
        if made.slow:
            copy.status, made.looks[name] = "creating", made.slow
        return copy

    def looked_at(self: RDSBackend, *how: Any, **named: Any) -> Any:
        for name, left in [*made.looks.items()]:
            made.looks[name] = left - 1
            if left == 0 and name in self.databases:
                self.databases[name].status = "available"
        return found(self, *how, **named)

    with (
        patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}),  # a thousand images of machines, for each test
        mock_aws(),
        patch.object(RDSBackend, "restore_db_instance_to_point_in_time", to_a_time),
        patch.object(RDSBackend, "restore_db_instance_from_db_snapshot", from_snapshot),
        patch.object(RDSBackend, "describe_db_instances", looked_at),
    ):
        made.make()
        yield made
