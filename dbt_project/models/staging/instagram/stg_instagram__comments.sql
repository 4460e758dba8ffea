with source as (
    {{ passed_rows(source('instagram', 'instagram__comments')) }}
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
        {{ json_instant('timestamp') }} as created_at,
        payload ->> 'text' as comment_text,
        {{ json_number('$.like_count') }} as like_count,
        {{ json_boolean('hidden') }} as is_hidden,
        {{ json_boolean('is_owner') }} as is_owner
    from source
)

select * from final
