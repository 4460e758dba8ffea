with source as (
    {{ passed_rows(source('facebook', 'facebook__competitors')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        split_part(record_key, ':', 1) as handle,
        split_part(record_key, ':', 2) as record_kind,
        observed_at,
        case split_part(record_key, ':', 2) when 'profile' then {{ key_day() }} end as observed_date,
        payload ->> 'name' as name,
        {{ json_number('$.followers_count') }} as followers_count,
        {{ json_number('$.fan_count') }} as fan_count,
        {{ json_number('$.talking_about_count') }} as talking_about_count,
        case split_part(record_key, ':', 2) when 'post' then payload ->> 'id' end as post_id,
        {{ json_instant('created_time') }} as published_at,
        payload ->> 'message' as message,
        payload ->> 'permalink_url' as permalink_url,
        {{ json_number('$.reactions.summary.total_count') }} as reactions_total_count,
        {{ json_number('$.comments.summary.total_count') }} as comments_total_count,
        {{ json_number('$.shares.count') }} as shares_count
    from source
)

select * from final
