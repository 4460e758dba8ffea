{{ config(
    unique_key=['business_id', 'platform', 'account_id', 'record_key'],
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['audience']) }}",
    indexes=[{'columns': ['business_id', 'platform', 'account_id', 'record_key']}],
) }}
-- depends_on: {{ ref('loaded_runs') }}

with arrived as (
    select
        *,
        rank() over (
            partition by business_id, platform, account_id, record_key
            order by observed_at desc
        ) as version_back
    from {{ ref('int_demographics_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

newest as (
    select
        business_id,
        platform,
        account_id,
        measured_date,
        dimension,
        value,
        sum(followers) as followers,
        record_key,
        observed_at
    from arrived
    where version_back = 1
    group by business_id, platform, account_id, measured_date, dimension, value, record_key, observed_at
),

final as (
    select newest.*
    from newest
    {% if continues() %}
        -- Runs may arrive in any order: an older reading changes nothing.
        left join {{ this }} as newer
            on
                newest.business_id = newer.business_id
                and newest.platform = newer.platform
                and newest.account_id = newer.account_id
                and newest.record_key = newer.record_key
                and newest.observed_at < newer.observed_at
        where newer.record_key is null
    {% endif %}
)

select * from final
