{{ config(enabled=reads_fivetran()) }}

with found as (
    select
        'linkedin' as platform,
        account_id,
        business_id,
        synced_at
    from {{ ref('int_fivetran__linkedin_posts') }}
    union all
    select
        'twitter' as platform,
        account_id,
        business_id,
        synced_at
    from {{ ref('int_fivetran__twitter_tweets') }}
    where is_listed
    union all
    select
        'facebook' as platform,
        page_id as account_id,
        business_id,
        synced_at
    from {{ ref('int_fivetran__facebook_posts') }}
    where is_listed
    union all
    select
        'instagram' as platform,
        user_id as account_id,
        business_id,
        synced_at
    from {{ ref('int_fivetran__instagram_media') }}
    where is_listed
    union all
    select
        platform,
        account_id,
        business_id,
        observed_at at time zone 'UTC' as synced_at
    from {{ ref('int_fivetran__profiles') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        true as is_enabled,
        min(synced_at) at time zone 'UTC' as created_at
    from found
    group by business_id, platform, account_id
)

select * from final
