{{ config(meta={'key': ['business_id', 'platform', 'account_id', 'day'], 'indexes': [['business_id', 'day']]}) }}

with account_days as (
    select * from {{ ref('fct_account_daily') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        measured_date as day,
        followers_count,
        followers_gained as gained,
        followers_lost as lost,
        followers_net as net,
        {{ percentage('followers_net', 'followers_before') }} as growth_rate
    from account_days
    where coalesce(followers_count, followers_gained, followers_lost, followers_net) is not null
)

select * from final
