with source as (
    {{ passed_rows(source('twitter', 'twitter__comments')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        'twitter' as platform,
        record_key as comment_id,
        payload ->> 'conversation_id' as post_id,
        -- X renames its posts' fields without notice, so both spellings are read. What answers the post has no parent.
        nullif(
            coalesce(
                jsonb_path_query_first(payload, '$.referenced_tweets[*] ? (@.type == "replied_to").id') #>> '{}',
                jsonb_path_query_first(payload, '$.referenced_posts[*] ? (@.type == "replied_to").id') #>> '{}'
            ),
            payload ->> 'conversation_id'
        ) as parent_comment_id,
        {{ json_instant('created_at') }} as commented_at,
        ops.twitter_text(payload) as text,
        {{ json_number('$.public_metrics.like_count') }} as likes,
        -- Own replies are posts of the timeline and left out of the search.
        false as is_own,
        observed_at
    from source
)

select * from final
