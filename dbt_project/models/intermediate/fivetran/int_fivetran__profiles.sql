{{ config(enabled=reads_fivetran()) }}

with linkedin as (
    select
        {{ fivetran_business('linkedin', ['organization_id']) }} as business_id,
        'linkedin' as platform,
        organization_id as account_id,
        synced_at,
        organization_name as account_name,
        vanity_name as handle,
        'https://www.linkedin.com/company/' || coalesce(vanity_name, organization_id) || '/' as url
    from {{ ref('stg_fivetran__linkedin_pages__organization') }}
),

twitter as (
    select
        {{ fivetran_business('twitter', ['user_id']) }} as business_id,
        'twitter' as platform,
        user_id as account_id,
        synced_at,
        account_name,
        handle,
        'https://x.com/' || handle as url
    from {{ ref('stg_fivetran__twitter_organic__twitter_user_history') }}
),

facebook as (
    select
        {{ fivetran_business('facebook', ['page_id']) }} as business_id,
        'facebook' as platform,
        page_id as account_id,
        synced_at,
        page_name as account_name,
        username as handle,
        'https://www.facebook.com/' || coalesce(username, page_id) as url
    from {{ ref('stg_fivetran__facebook_pages__page') }}
),

instagram as (
    select
        {{ fivetran_business('instagram', ['user_id']) }} as business_id,
        'instagram' as platform,
        user_id as account_id,
        synced_at,
        coalesce(account_name, username) as account_name,
        username as handle,
        'https://www.instagram.com/' || username || '/' as url
    from {{ ref('stg_fivetran__instagram_business__user_history') }}
),

unioned as (
    select * from linkedin
    union all
    select * from twitter
    union all
    select * from facebook
    union all
    select * from instagram
),

final as (
    select
        business_id,
        platform,
        account_id,
        cast(null as uuid) as run_id,
        synced_at at time zone 'UTC' as observed_at,
        account_name,
        handle,
        url
    from unioned
    where business_id is not null
)

select * from final
