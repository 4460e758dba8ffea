{#- The last sync of each account and stream, in the form of our run ledger, so that freshness can be told. -#}
{{ config(enabled=reads_fivetran()) }}

with seen as (
    select
        business_id,
        platform,
        account_id,
        'posts' as stream,
        observed_at
    from {{ ref('int_fivetran__posts') }}
    union all
    select
        business_id,
        platform,
        account_id,
        'post_metrics' as stream,
        observed_at
    from {{ ref('int_fivetran__post_metrics') }}
    union all
    select
        business_id,
        platform,
        account_id,
        'account_daily' as stream,
        observed_at
    from {{ ref('int_fivetran__account_daily') }}
    union all
    select
        business_id,
        platform,
        account_id,
        'profile' as stream,
        observed_at
    from {{ ref('int_fivetran__profiles') }}
),

newest as (
    select
        business_id,
        platform,
        account_id,
        platform || '__' || stream as stream,
        max(observed_at) as synced_at
    from seen
    group by business_id, platform, account_id, stream
),

final as (
    select
        cast(md5(concat_ws('|', business_id, account_id, stream, synced_at)) as uuid) as run_id,
        business_id,
        platform,
        account_id,
        stream,
        'fivetran' as kind,
        'complete' as state,
        'passed' as gate,
        synced_at as started_at,
        synced_at as finished_at,
        cast(null as text) as error_class,
        cast(null as text) as error_message
    from newest
)

select * from final
