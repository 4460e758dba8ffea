{{ config(
    incremental_strategy='sync',
    unique_key='account_key',
    pre_hook="{{ claim_runs(['profile']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}

with accounts as (
    select * from {{ ref('int_fivetran__accounts' if reads_fivetran() else 'stg_ops__accounts') }}
),

profiles as (
    select
        business_id,
        platform,
        account_id,
        account_name,
        handle,
        url,
        observed_at
    from {{ ref('int_profiles_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
        union all
        select
            business_id,
            platform,
            account_id,
            account_name,
            handle,
            url,
            profile_observed_at as observed_at
        from {{ this }}
        where profile_observed_at is not null
    {% endif %}
),

newest_profiles as (
    select distinct on (business_id, platform, account_id) *
    from profiles
    order by business_id, platform, account_id, observed_at desc, account_name, handle, url
),

final as (
    select
        {{ surrogate_key(['accounts.business_id', 'accounts.platform', 'accounts.account_id']) }} as account_key,
        accounts.business_id,
        accounts.platform,
        accounts.account_id,
        newest_profiles.account_name,
        newest_profiles.handle,
        newest_profiles.url,
        accounts.is_enabled,
        accounts.created_at,
        newest_profiles.observed_at as profile_observed_at
    from accounts
    left join newest_profiles using (business_id, platform, account_id)
)

select * from final
