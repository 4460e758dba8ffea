"""The Assets that connect the DAGs: one per platform's raw data, and one for everything published."""

from __future__ import annotations

from airflow.sdk import Asset

from extractors.registry import PLATFORMS

RAW = {platform: Asset(name=f"raw_{platform}", uri=f"x-warehouse://raw/{platform}") for platform in PLATFORMS}
MARTS = Asset(name="marts", uri="x-warehouse://marts")
