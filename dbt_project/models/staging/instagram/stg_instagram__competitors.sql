with source as (
    {{ passed_rows(source('instagram', 'instagram__competitors')) }}
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
        {{ json_number('$.media_count') }} as media_count,
        case split_part(record_key, ':', 2) when 'post' then payload ->> 'id' end as post_id,
        {{ json_instant('timestamp') }} as published_at,
        payload ->> 'media_type' as media_type,
        payload ->> 'media_product_type' as media_product_type,
        payload ->> 'caption' as caption,
        payload ->> 'permalink' as permalink,
        {{ json_number('$.like_count') }} as like_count,
        {{ json_number('$.comments_count') }} as comments_count,
        {{ json_number('$.view_count') }} as view_count
    from source
)

select * from final
