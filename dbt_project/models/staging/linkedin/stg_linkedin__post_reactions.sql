with source as (
    {{ passed_rows(source('linkedin', 'linkedin__post_reactions')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ json_number('$.reactionSummaries.LIKE.count') }} as like_count,
        {{ json_number('$.reactionSummaries.PRAISE.count') }} as praise_count,
        {{ json_number('$.reactionSummaries.EMPATHY.count') }} as empathy_count,
        {{ json_number('$.reactionSummaries.INTEREST.count') }} as interest_count,
        {{ json_number('$.reactionSummaries.APPRECIATION.count') }} as appreciation_count,
        {{ json_number('$.reactionSummaries.ENTERTAINMENT.count') }} as entertainment_count,
        {{ json_number('$.commentSummary.count') }} as comment_count,
        {{ json_number('$.commentSummary.topLevelCount') }} as top_level_comment_count
    from source
)

select * from final
