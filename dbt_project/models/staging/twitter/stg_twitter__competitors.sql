with source as (
    {{ passed_rows(source('twitter', 'twitter__competitors')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_day() }} as observed_date,
        observed_at,
        payload ->> 'id' as competitor_id,
        payload ->> 'username' as handle,
        payload ->> 'name' as name,
        {{ json_number('$.public_metrics.followers_count') }} as followers_count,
        {{ json_number('$.public_metrics.following_count') }} as following_count,
        coalesce(
            {{ json_number('$.public_metrics.tweet_count') }},
            {{ json_number('$.public_metrics.post_count') }}
        ) as posts_count,
        {{ json_number('$.public_metrics.listed_count') }} as listed_count
    from source
)

select * from final
