with source as (
    {{ passed_rows(source('linkedin', 'linkedin__comments')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        'linkedin' as platform,
        record_key as comment_id,
        payload ->> 'post' as post_id,
        payload ->> 'parentComment' as parent_comment_id,
        {{ json_epoch_ms('$.created.time') }} as commented_at,
        payload #>> '{message,text}' as text,
        {{ json_number('$.likesSummary.totalLikes') }} as likes,
        -- Members are taken out before landing; the organization itself stays.
        payload -> 'actor' is not null as is_own,
        observed_at
    from source
)

select * from final
