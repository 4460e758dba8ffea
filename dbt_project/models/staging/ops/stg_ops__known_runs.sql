{{ config(
    enabled=looks_back(),
    materialized='incremental',
    incremental_strategy='sync',
    unique_key='run_id',
    on_schema_change='append_new_columns',
    full_refresh=false,
    indexes=[
        {'columns': ['run_id']},
        {'columns': ['business_id', 'platform', 'account_id', 'stream', 'started_at']},
    ],
) }}

{#- Exists in a rebuild as known at an earlier instant alone, where every model asks it which runs count. -#}
with present as (
    select * from {{ source('ops', 'extract_runs') }}
),

then_known as (
    select * from {{ ledger('extract_runs') }}
),

final as (
    select
        then_known.run_id,
        then_known.business_id,
        then_known.platform,
        then_known.account_id,
        then_known.stream,
        then_known.kind,
        then_known.state,
        then_known.gate,
        then_known.lease_epoch,
        then_known.changed_in,
        then_known.listed,
        then_known.stored,
        then_known.unchanged,
        then_known.quarantined,
        -- What is gone by now is gone in every rebuild.
        then_known.purged,
        then_known.window_since,
        then_known.window_until,
        then_known.started_at,
        then_known.finished_at,
        then_known.error_class,
        then_known.error_message,
        then_known.lease_epoch < present.lease_epoch as was_continued
    from then_known
    inner join present on then_known.run_id = present.run_id
)

select * from final
