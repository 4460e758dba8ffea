with source as (
    {{ passed_rows(source('facebook', 'facebook__comments')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as comment_id,
        payload ->> 'post_id' as post_id,
        payload ->> 'parent_id' as parent_comment_id,
        observed_at,
        {{ json_instant('created_time') }} as created_at,
        payload ->> 'message' as comment_text,
        {{ json_number('$.like_count') }} as like_count,
        {{ json_boolean('is_hidden') }} as is_hidden,
        {{ json_boolean('is_owner') }} as is_owner
    from source
)

select * from final
