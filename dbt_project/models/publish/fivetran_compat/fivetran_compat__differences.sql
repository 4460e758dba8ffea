{{ config(
    enabled=shows_fivetran_compat(),
    meta={
        'key': ['business_id', 'row_key', 'column_name'],
        'part': 'post' if not reads_fivetran() else none,
        'part_columns': ['row_key'],
        'indexes': [['business_id', 'post_id']],
        'read_as': 'fivetran_compat.differences',
        'unread': ['row_key'],
    },
) }}

with fivetran_rows as (
    {{ rollup_as_fivetran() }}
),

corrected_rows as (
    {{ rollup_corrected() }}
),

as_fivetran as (
    select
        *,
        'shown' as shown
    from fivetran_rows
),

corrected as (
    select
        *,
        'shown' as shown
    from corrected_rows
),

listed as (
    select * from {{ ref('dim_posts') }}
),

compared as (
    select
        {% if reads_fivetran() %}
            coalesce(as_fivetran.business_id, corrected.business_id) as business_id,
            coalesce(as_fivetran.row_key, corrected.row_key) as row_key,
            coalesce(as_fivetran.platform, corrected.platform) as platform,
        {% else %}
            listed.business_id,
            listed.post_key as row_key,
            listed.platform,
        {% endif %}
        coalesce(as_fivetran.post_id, corrected.post_id) as post_id,
        differing.*,
        as_fivetran.post_key is not null as is_in_strict,
        corrected.post_key is not null as is_in_corrected,
        listed.excluded_because
    {% if reads_fivetran() %}
        from as_fivetran
        full join corrected
            on as_fivetran.business_id = corrected.business_id and as_fivetran.post_key = corrected.post_key
        left join listed on as_fivetran.post_key = listed.post_key
    {% else %}
        -- What either shows is in the list, so that one post can be asked for.
        from listed
        left join as_fivetran on listed.post_key = as_fivetran.post_key
        left join corrected on listed.post_key = corrected.post_key
    {% endif %}
    cross join {{ both_texts('as_fivetran', 'corrected') }} as differing (column_name, strict_value, corrected_value)
    where differing.strict_value is distinct from differing.corrected_value
),

-- A row that one of the two does not have differs once, not in every column.
counted as (
    select * from compared
    where column_name = 'row' or (is_in_strict and is_in_corrected)
),

final as (
    select
        business_id,
        platform,
        post_id,
        column_name,
        strict_value,
        corrected_value,
        case
            when column_name = 'row' and excluded_because is not null then replace(excluded_because, ' ', '_')
            when column_name = 'row' and is_in_strict and platform = 'youtube' then 'no_video'
            when column_name = 'row' and is_in_strict then 'metrics_without_post'
            when column_name = 'row' then 'post_without_metrics'
            when platform = 'youtube' and column_name in ('clicks', 'impressions') then 'views_shown_as_clicks'
            when platform = 'youtube' and column_name = 'post_url' then 'picture_shown_as_address'
            when column_name in ('page_id', 'page_name') then 'page_not_joined'
            when column_name = 'created_timestamp' then 'created_is_not_published'
            when column_name = 'post_message' then 'title_or_markup_shown'
            when strict_value is null then 'column_not_filled'
            when strict_value = '0' and corrected_value is null then 'unknown_shown_as_zero'
            when platform = 'facebook' and column_name = 'likes' then 'one_kind_of_reaction'
            when platform = 'facebook' then 'former_definition'
            when platform = 'instagram' then 'views_of_two_kinds_added'
            when platform = 'twitter' and column_name = 'clicks' then 'clicks_of_any_kind'
            {% if not reads_fivetran() %}
                when platform = 'twitter' and column_name = 'shares' then 'quotes_not_counted'
            {% endif %}
            when platform = 'twitter' then 'days_of_the_report_only'
            else 'statistics_not_joined'
        end as reason,
        row_key
    from counted
)

select * from final
