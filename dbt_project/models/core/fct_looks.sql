{{ config(
    unique_key='run_id',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['posts', 'post_metrics']) }}",
    indexes=[{'columns': ['business_id', 'platform', 'account_id', 'looked_at']}],
    post_hook="{{ ensure_index(['business_id', 'platform', 'account_id', 'ended_at']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}
{#- Longer lists may have been cut by the platform's reach (docs/adr/0014-tombstones.md). #}
{%- set cut_lists = 500 %}

with reads as (
    select * from {{ ref('stg_ops__reads') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

final as (
    select
        run_id,
        business_id,
        platform,
        account_id,
        started_at as looked_at,
        finished_at as ended_at,
        coalesce(window_since, timestamptz '-infinity') as posts_since,
        window_until as posts_until,
        state = 'complete'
        and kind <> 'replay'
        and quarantined = 0
        and listed < {{ cut_lists }} as is_whole
    from reads
    where
        -- The stream that tells impressions and engagement.
        stream = case platform when 'linkedin' then 'post_metrics' else 'posts' end
        and finished_at is not null
)

select * from final
