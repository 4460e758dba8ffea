with source as (
    {{ passed_rows(source('instagram', 'instagram__posts')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ json_instant('timestamp') }} as published_at,
        payload ->> 'media_type' as media_type,
        payload ->> 'media_product_type' as media_product_type,
        payload ->> 'caption' as caption,
        payload ->> 'permalink' as permalink,
        {{ json_number('$.like_count') }} as like_count,
        {{ json_number('$.comments_count') }} as comments_count,
        {{ insight_number('views') }} as views,
        {{ insight_number('reach') }} as reach,
        {{ insight_number('likes') }} as likes,
        {{ insight_number('comments') }} as comments,
        {{ insight_number('saved') }} as saved,
        {{ insight_number('shares') }} as shares
    from source
)

select * from final
