{#- What a profile reading calls the account. -#}
with linkedin as (
    select
        business_id,
        'linkedin' as platform,
        account_id,
        run_id,
        observed_at,
        name as account_name,
        vanity_name as handle,
        'https://www.linkedin.com/company/' || coalesce(vanity_name, account_id) || '/' as url
    from {{ ref('stg_linkedin__profile') }}
    where name is not null
),

twitter as (
    select
        business_id,
        'twitter' as platform,
        account_id,
        run_id,
        observed_at,
        name as account_name,
        username as handle,
        'https://x.com/' || username as url
    from {{ ref('stg_twitter__profile') }}
),

facebook as (
    select
        business_id,
        'facebook' as platform,
        account_id,
        run_id,
        observed_at,
        name as account_name,
        username as handle,
        coalesce(link, 'https://www.facebook.com/' || account_id) as url
    from {{ ref('stg_facebook__profile') }}
),

instagram as (
    select
        business_id,
        'instagram' as platform,
        account_id,
        run_id,
        observed_at,
        coalesce(name, username) as account_name,
        username as handle,
        'https://www.instagram.com/' || username || '/' as url
    from {{ ref('stg_instagram__profile') }}
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
    {% if reads_fivetran() %}
        select * from {{ ref('int_fivetran__profiles') }}
    {% else %}
        select * from unioned
    {% endif %}
)

select * from final
